# The abbreviation table ends in the middle of an attribute list.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_typedef
	.uleb128 DW_AT_name
	unit
	unit_die
	base_int
	end_children
	end_unit
