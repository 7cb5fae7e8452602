# A .BTF_ids section at odds with its symbols: a set that spans more than the section, one at an odd address, one of no size, one that begins at the last byte, names without an end.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_subprogram
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_low_pc, DW_FORM_addr
	attr	DW_AT_external, DW_FORM_flag_present
	end_abbrev
	end_abbrevs
	.section .BTF_ids, "a", %progbits
	.type	__BTF_ID__set8__too_long, %object
__BTF_ID__set8__too_long:
	.4byte	0, 1
	.type	__BTF_ID__func__bad_function__1, %object
__BTF_ID__func__bad_function__1:
	.4byte	0, 0
	.size	__BTF_ID__set8__too_long, 0x7ffffff0
	.type	__BTF_ID__set8__no_size, %object
__BTF_ID__set8__no_size:
	.4byte	0xffffffff, 1
	.byte	0
	.type	__BTF_ID__set8__odd, %object
__BTF_ID__set8__odd:
	.4byte	0, 1
	.size	__BTF_ID__set8__odd, 8
	.type	__BTF_ID__func__, %object
__BTF_ID__func__:
	.type	__BTF_ID__func____, %object
__BTF_ID__func____:
	.type	__BTF_ID__func__no_suffix, %object
__BTF_ID__func__no_suffix:
	.byte	0
	.type	__BTF_ID__set8__last_byte, %object
__BTF_ID__set8__last_byte:
	.byte	1
	.size	__BTF_ID__set8__last_byte, 64
	unit
	unit_die
	base_int
	.uleb128 3
	.asciz	"bad_function"
	.8byte	bad_function
	end_children
	end_unit
