# A DIE with abbreviation code 99, which nothing declares.
	.include "dwarf.inc"
	program
	usual_abbrevs
	end_abbrevs
	unit
	unit_die
	base_int
	.uleb128 99
	.4byte	0
	end_children
	end_unit
