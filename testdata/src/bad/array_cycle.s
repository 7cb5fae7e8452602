# An array whose elements are the array itself, a struct that contains itself, and two that contain each other: sizes without end.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_array_type, 1
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	4, DW_TAG_subrange_type
	attr	DW_AT_count, DW_FORM_data1
	end_abbrev
	abbrev	5, DW_TAG_structure_type, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	abbrev	6, DW_TAG_member
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	7, DW_TAG_structure_type, 1
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
.Larray:
	.uleb128 3
	.4byte	.Larray - .Lunit
	.uleb128 4
	.byte	2
	end_children
.Lself:
	.uleb128 5
	.asciz	"contains_itself"
	.byte	8
	.uleb128 6
	.asciz	"me"
	.4byte	.Lself - .Lunit
	end_children
.Lanon_a:
	.uleb128 7
	.byte	8
	.uleb128 6
	.asciz	"b"
	.4byte	.Lanon_b - .Lunit
	end_children
.Lanon_b:
	.uleb128 7
	.byte	8
	.uleb128 6
	.asciz	"a"
	.4byte	.Lanon_a - .Lunit
	end_children
	end_children
	end_unit
