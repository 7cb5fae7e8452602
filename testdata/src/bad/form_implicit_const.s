# DW_FORM_implicit_const for sizes, offsets, encodings and bounds, one of them negative. Sound.
	.include "dwarf.inc"
	program
	abbrevs
	abbrev	1, DW_TAG_compile_unit, 1
	attr	DW_AT_language, DW_FORM_implicit_const
	.sleb128 12
	attr	DW_AT_name, DW_FORM_string
	end_abbrev
	abbrev	2, DW_TAG_base_type
	attr	DW_AT_byte_size, DW_FORM_implicit_const
	.sleb128 4
	attr	DW_AT_encoding, DW_FORM_implicit_const
	.sleb128 5
	attr	DW_AT_name, DW_FORM_string
	end_abbrev
	abbrev	3, DW_TAG_structure_type, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_implicit_const
	.sleb128 64
	end_abbrev
	abbrev	4, DW_TAG_member
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	attr	DW_AT_data_member_location, DW_FORM_implicit_const
	.sleb128 60
	end_abbrev
	abbrev	5, DW_TAG_enumeration_type, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_implicit_const
	.sleb128 4
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	6, DW_TAG_enumerator
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_const_value, DW_FORM_implicit_const
	.sleb128 -5
	end_abbrev
	abbrev	7, DW_TAG_array_type, 1
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	8, DW_TAG_subrange_type
	attr	DW_AT_upper_bound, DW_FORM_implicit_const
	.sleb128 14
	end_abbrev
	end_abbrevs
	unit
	.uleb128 1
	.asciz	"bad.c"
.Lint:
	.uleb128 2
	.asciz	"int"
	.uleb128 3
	.asciz	"implicit_struct"
	.uleb128 4
	.asciz	"at_60"
	.4byte	.Lint - .Lunit
	end_children
	.uleb128 5
	.asciz	"implicit_enum"
	.4byte	.Lint - .Lunit
	.uleb128 6
	.asciz	"IMPLICIT_MINUS_FIVE"
	end_children
	.uleb128 7
	.4byte	.Lint - .Lunit
	.uleb128 8
	end_children
	end_children
	end_unit
