# Lexical blocks, 10000 deep, with a type at the bottom.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_subprogram, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_low_pc, DW_FORM_addr
	end_abbrev
	abbrev	4, DW_TAG_lexical_block, 1
	end_abbrev
	abbrev	5, DW_TAG_structure_type, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.uleb128 3
	.asciz	"bad_function"
	.8byte	bad_function
	.rept	10000
	.uleb128 4
	.endr
	.uleb128 5
	.asciz	"at_the_bottom"
	.byte	4
	end_children
	.rept	10000
	end_children
	.endr
	end_children
	end_children
	end_unit
