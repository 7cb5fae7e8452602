# One abbreviation code declared twice, with different contents.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	2, DW_TAG_typedef
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	end_children
	end_unit
