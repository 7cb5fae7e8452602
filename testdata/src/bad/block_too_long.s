# An expression whose length, 2^32 - 1, leads beyond the section.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_variable
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_location, DW_FORM_block4
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.uleb128 3
	.asciz	"variable"
	.4byte	0xffffffff
	end_children
	end_unit
