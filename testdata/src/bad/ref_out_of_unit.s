# References beyond the unit, beyond the section, before the first DIE, and by DW_FORM_ref_addr.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	4, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref_addr
	end_abbrev
	abbrev	5, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref_udata
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.uleb128 3
	.asciz	"beyond_t"
	.4byte	0x7fffff00
	.uleb128 3
	.asciz	"at_end_t"
	.4byte	.Lunit_end - .Lunit
	.uleb128 3
	.asciz	"header_t"
	.4byte	4
	.uleb128 3
	.asciz	"minus_one_t"
	.4byte	0xffffffff
	.uleb128 4
	.asciz	"section_t"
	.4byte	0x12345678
	.uleb128 5
	.asciz	"wide_t"
	.uleb128 0xfffffffffffffff0
	.uleb128 3
	.asciz	"sound_t"
	.4byte	.Lint - .Lunit
	end_children
	end_unit
