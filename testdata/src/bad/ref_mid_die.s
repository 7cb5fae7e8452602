# References into the middle of a DIE, to the null DIE that ends the children, and to the unit's own DIE.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	end_abbrevs
	unit
.Lunit_die:
	unit_die
	base_int
	.uleb128 3
	.asciz	"middle_t"
	.4byte	.Lint - .Lunit + 2
	.uleb128 3
	.asciz	"null_t"
	.4byte	.Lnull - .Lunit
	.uleb128 3
	.asciz	"unit_t"
	.4byte	.Lunit_die - .Lunit
	.uleb128 3
	.asciz	"sound_t"
	.4byte	.Lint - .Lunit
.Lnull:
	end_children
	end_unit
