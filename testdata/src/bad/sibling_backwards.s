# DW_AT_sibling that points back to the DIE itself, before it, and beyond the unit: following it never ends.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_structure_type, 1
	attr	DW_AT_sibling, DW_FORM_ref4
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	abbrev	4, DW_TAG_subprogram, 1
	attr	DW_AT_sibling, DW_FORM_ref4
	attr	DW_AT_name, DW_FORM_string
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
.Lself:
	.uleb128 3
	.4byte	.Lself - .Lunit
	.asciz	"to_itself"
	.byte	4
	end_children
	.uleb128 3
	.4byte	.Lint - .Lunit
	.asciz	"to_before"
	.byte	4
	end_children
.Lfunction:
	.uleb128 4
	.4byte	.Lfunction - .Lunit
	.asciz	"function_to_itself"
	end_children
	.uleb128 4
	.4byte	0x7fffffff
	.asciz	"function_to_beyond"
	end_children
	end_children
	end_unit
