# DW_FORM_indirect of DW_FORM_indirect, a thousand deep, and one of DW_FORM_implicit_const, which has no value to take.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_indirect
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.uleb128 3
	.asciz	"deep_t"
	.rept	1000
	.uleb128 DW_FORM_indirect
	.endr
	.uleb128 DW_FORM_ref4
	.4byte	.Lint - .Lunit
	.uleb128 3
	.asciz	"nowhere_t"
	.uleb128 DW_FORM_implicit_const
	end_children
	end_unit
