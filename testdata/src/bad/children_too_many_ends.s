# More null DIEs than there are open DIEs; then a DIE beside the unit's own.
	.include "dwarf.inc"
	program
	usual_abbrevs
	end_abbrevs
	unit
	unit_die
	base_int
	end_children
	end_children
	end_children
	.uleb128 2
	.byte	8, DW_ATE_signed
	.asciz	"long int"
	end_unit
