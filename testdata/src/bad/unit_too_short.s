# The unit ends in its own header; what follows is no unit.
	.include "dwarf.inc"
	program
	usual_abbrevs
	end_abbrevs
	.section .debug_info
	.4byte	3
	.2byte	5
	.byte	1
	.byte	8
	.4byte	.Labbrevs
	unit_die
