# Members, a variable, a parameter, an array and an enumerator that lack their type or their value.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_structure_type, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	abbrev	4, DW_TAG_member
	attr	DW_AT_name, DW_FORM_string
	end_abbrev
	abbrev	5, DW_TAG_variable
	attr	DW_AT_name, DW_FORM_string
	end_abbrev
	abbrev	6, DW_TAG_subprogram, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_low_pc, DW_FORM_addr
	attr	DW_AT_external, DW_FORM_flag_present
	end_abbrev
	abbrev	7, DW_TAG_formal_parameter
	attr	DW_AT_name, DW_FORM_string
	end_abbrev
	abbrev	8, DW_TAG_array_type, 1
	end_abbrev
	abbrev	9, DW_TAG_subrange_type
	end_abbrev
	abbrev	10, DW_TAG_enumeration_type, 1
	attr	DW_AT_name, DW_FORM_string
	end_abbrev
	abbrev	11, DW_TAG_enumerator
	attr	DW_AT_name, DW_FORM_string
	end_abbrev
	abbrev	12, DW_TAG_structure_type, 1
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.uleb128 3
	.asciz	"holder"
	.byte	8
	.uleb128 4
	.asciz	"without_type"
	.uleb128 4
	.asciz	"without_type_either"
	end_children
	.uleb128 5
	.asciz	"variable"
	.uleb128 6
	.asciz	"bad_function"
	.8byte	bad_function
	.uleb128 7
	.asciz	"parameter"
	end_children
	.uleb128 8
	.uleb128 9
	end_children
	.uleb128 10
	.asciz	"enumeration"
	.uleb128 11
	.asciz	"WITHOUT_VALUE"
	end_children
	.uleb128 12
	end_children
	end_children
	end_unit
