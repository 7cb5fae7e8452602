# An attribute of form 0x7f: where the next one begins nobody knows.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, 0x7f
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.uleb128 3
	.asciz	"unknown_t"
	.4byte	.Lint - .Lunit
	end_children
	end_unit
