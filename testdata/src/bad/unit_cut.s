# The section ends in the middle of a DIE's name.
	.include "dwarf.inc"
	program
	usual_abbrevs
	end_abbrevs
	unit
	unit_die
	.uleb128 2
	.byte	4, DW_ATE_signed
	.ascii	"in"
	end_unit
