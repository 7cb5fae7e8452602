# A typedef of itself, and a second one that leads to it; `int` is sound.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
.Lself:
	.uleb128 3
	.asciz	"self_t"
	.4byte	.Lself - .Lunit
	.uleb128 3
	.asciz	"leads_to_self_t"
	.4byte	.Lself - .Lunit
	.uleb128 3
	.asciz	"sound_t"
	.4byte	.Lint - .Lunit
	end_children
	end_unit
