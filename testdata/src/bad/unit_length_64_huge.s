# A 64-bit unit whose length is 2^64 - 1: offset plus length overflows.
	.include "dwarf.inc"
	program
	usual_abbrevs
	end_abbrevs
	.section .debug_info
	.4byte	0xffffffff
	.8byte	0xffffffffffffffff
	.2byte	5
	.byte	1, 8
	.8byte	.Labbrevs
	unit_die
	base_int
	end_children
