# Sizes, bounds and offsets out of all proportion: 2^64 - 1 bytes, 2^63 elements, 70 dimensions, a bit-field of 300 bits.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_structure_type, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_data8
	end_abbrev
	abbrev	4, DW_TAG_member
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	attr	DW_AT_data_member_location, DW_FORM_data8
	end_abbrev
	abbrev	5, DW_TAG_array_type, 1
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	6, DW_TAG_subrange_type
	attr	DW_AT_upper_bound, DW_FORM_data8
	end_abbrev
	abbrev	7, DW_TAG_base_type
	attr	DW_AT_byte_size, DW_FORM_data8
	attr	DW_AT_encoding, DW_FORM_data1
	attr	DW_AT_name, DW_FORM_string
	end_abbrev
	abbrev	8, DW_TAG_enumeration_type, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_data8
	end_abbrev
	abbrev	9, DW_TAG_enumerator
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_const_value, DW_FORM_data8
	end_abbrev
	abbrev	10, DW_TAG_member
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	attr	DW_AT_bit_size, DW_FORM_data2
	attr	DW_AT_data_bit_offset, DW_FORM_data8
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.uleb128 3
	.asciz	"huge_struct"
	.8byte	0xffffffffffffffff
	.uleb128 4
	.asciz	"huge_offset"
	.4byte	.Lint - .Lunit
	.8byte	0xfffffffffffffff0
	.uleb128 4
	.asciz	"array"
	.4byte	.Larray - .Lunit
	.8byte	0
	.uleb128 10
	.asciz	"bits_300"
	.4byte	.Lint - .Lunit
	.2byte	300
	.8byte	0
	.uleb128 10
	.asciz	"bits_far"
	.4byte	.Lint - .Lunit
	.2byte	3
	.8byte	0x8000000000000001
	.uleb128 10
	.asciz	"bits_zero"
	.4byte	.Lint - .Lunit
	.2byte	0
	.8byte	5
	end_children
.Larray:
	.uleb128 5
	.4byte	.Lint - .Lunit
	.uleb128 6
	.8byte	0xfffffffffffffffe
	.uleb128 6
	.8byte	0xffffffffffffffff
	.uleb128 6
	.8byte	0x7fffffffffffffff
	end_children
	.uleb128 5
	.4byte	.Lint - .Lunit
	.rept	70
	.uleb128 6
	.8byte	1
	.endr
	end_children
	.uleb128 5
	.4byte	.Lint - .Lunit
	end_children
	.uleb128 7
	.8byte	0xffffffffffffffff
	.byte	DW_ATE_signed
	.asciz	"huge_int"
	.uleb128 7
	.8byte	0
	.byte	DW_ATE_signed
	.asciz	"empty_int"
	.uleb128 7
	.8byte	3
	.byte	DW_ATE_signed
	.asciz	"three_bytes"
	.uleb128 7
	.8byte	5
	.byte	DW_ATE_float
	.asciz	"five_byte_float"
	.uleb128 7
	.8byte	4
	.byte	0xff
	.asciz	"unknown_encoding"
	.uleb128 8
	.asciz	"huge_enum"
	.8byte	0xffffffffffffffff
	.uleb128 9
	.asciz	"HUGE_ENUMERATOR"
	.8byte	0xffffffffffffffff
	end_children
	.uleb128 8
	.asciz	"small_enum_big_value"
	.8byte	4
	.uleb128 9
	.asciz	"BIG_VALUE"
	.8byte	0x123456789abc
	end_children
	end_children
	end_unit
