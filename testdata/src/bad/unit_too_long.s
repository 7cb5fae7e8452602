# The unit's length leads beyond the section.
	.include "dwarf.inc"
	program
	usual_abbrevs
	end_abbrevs
	.section .debug_info
	.4byte	0x00ffffff
	.2byte	5
	.byte	1, 8
	.4byte	.Labbrevs
	unit_die
	base_int
	end_children
