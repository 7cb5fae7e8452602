# Units of length 0 as padding, before a sound one.
	.include "dwarf.inc"
	program
	usual_abbrevs
	end_abbrevs
	.section .debug_info
	.4byte	0, 0, 0, 0
	unit
	unit_die
	base_int
	end_children
	end_unit
