# A unit length from the reserved range, 0xfffffff5.
	.include "dwarf.inc"
	program
	usual_abbrevs
	end_abbrevs
	.section .debug_info
	.4byte	0xfffffff5
	.2byte	5
	.byte	1, 8
	.4byte	.Labbrevs
	unit_die
	base_int
	end_children
