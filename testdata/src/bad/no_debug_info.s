# A program without any DWARF.
	.text
	.globl	bad_function
	.type	bad_function, %function
bad_function:
	nop
	.size	bad_function, . - bad_function
