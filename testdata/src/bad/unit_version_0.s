# A unit of version 0, and nothing else.
	.include "dwarf.inc"
	program
	usual_abbrevs
	end_abbrevs
	.section .debug_info
	.4byte	.Lunit_end - .Lunit_body
.Lunit_body:
	.2byte	0
	.4byte	.Labbrevs
	.byte	8
	unit_die
	base_int
	end_children
	end_unit
