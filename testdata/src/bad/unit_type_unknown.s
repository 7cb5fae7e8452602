# A version 5 unit of type 0x42, before a sound one.
	.include "dwarf.inc"
	program
	usual_abbrevs
	end_abbrevs
	.section .debug_info
	.4byte	.Lother_end - .Lother_body
.Lother_body:
	.2byte	5
	.byte	0x42, 8
	.4byte	.Labbrevs
	unit_die
	end_children
.Lother_end:
	unit
	unit_die
	base_int
	end_children
	end_unit
