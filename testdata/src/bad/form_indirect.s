# DW_FORM_indirect, used legally: the form stands in .debug_info before the value. Sound.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_indirect
	attr	DW_AT_type, DW_FORM_indirect
	end_abbrev
	abbrev	4, DW_TAG_structure_type, 1
	attr	DW_AT_name, DW_FORM_indirect
	attr	DW_AT_byte_size, DW_FORM_indirect
	end_abbrev
	abbrev	5, DW_TAG_member
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_data_member_location, DW_FORM_indirect
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.uleb128 3, DW_FORM_string
	.asciz	"one_t"
	.uleb128 DW_FORM_ref4
	.4byte	.Lint - .Lunit
	.uleb128 3, DW_FORM_string
	.asciz	"two_t"
	.uleb128 DW_FORM_ref_udata, .Lint - .Lunit
	.uleb128 4, DW_FORM_string
	.asciz	"indirect_struct"
	.uleb128 DW_FORM_data2
	.2byte	8
	.uleb128 5
	.asciz	"first"
	.uleb128 DW_FORM_data1
	.byte	0
	.4byte	.Lint - .Lunit
	.uleb128 5
	.asciz	"second"
	.uleb128 DW_FORM_udata, 4
	.4byte	.Lint - .Lunit
	end_children
	end_children
	end_unit
