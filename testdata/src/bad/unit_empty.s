# A unit of a header only, one whose only DIE is null, then a sound one.
	.include "dwarf.inc"
	program
	usual_abbrevs
	end_abbrevs
	.section .debug_info
	.4byte	8
	.2byte	5
	.byte	1, 8
	.4byte	.Labbrevs
	.4byte	9
	.2byte	5
	.byte	1, 8
	.4byte	.Labbrevs
	.byte	0
	unit
	unit_die
	base_int
	end_children
	end_unit
