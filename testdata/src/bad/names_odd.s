# Names that are empty, not UTF-8, with a space, with a newline, and of 70000 bytes; types, a member and an enumerator without a name.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	4, DW_TAG_typedef
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	5, DW_TAG_base_type
	attr	DW_AT_byte_size, DW_FORM_data1
	attr	DW_AT_encoding, DW_FORM_data1
	end_abbrev
	abbrev	6, DW_TAG_structure_type, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	abbrev	7, DW_TAG_member
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	8, DW_TAG_enumeration_type, 1
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	abbrev	9, DW_TAG_enumerator
	attr	DW_AT_const_value, DW_FORM_data1
	end_abbrev
	abbrev	10, DW_TAG_structure_type
	attr	DW_AT_declaration, DW_FORM_flag_present
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.uleb128 3
	.asciz	""
	.4byte	.Lint - .Lunit
	.uleb128 3
	.asciz	"\377\376\200"
	.4byte	.Lint - .Lunit
	.uleb128 3
	.asciz	"two words"
	.4byte	.Lint - .Lunit
	.uleb128 3
	.asciz	"two\nlines"
	.4byte	.Lint - .Lunit
	.uleb128 3
	.rept	70000
	.byte	'a'
	.endr
	.byte	0
	.4byte	.Lint - .Lunit
	.uleb128 4
	.4byte	.Lint - .Lunit
	.uleb128 5
	.byte	4, DW_ATE_signed
	.uleb128 6
	.asciz	""
	.byte	4
	.uleb128 7
	.asciz	""
	.4byte	.Lint - .Lunit
	end_children
	.uleb128 8
	.byte	4
	.uleb128 9
	.byte	1
	end_children
	.uleb128 10
	end_children
	end_unit
