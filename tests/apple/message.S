// Sending a message on x86-64: find the method, keep every argument where it is, and go there.
    .text

    .macro SEND name, self, selector, restore_self, restore_selector
    .globl \name
    .type \name, @function
\name:
    .cfi_startproc
    test \self, \self
    jz 1f
    push %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    sub $192, %rsp
    mov %rdi, -8(%rbp)
    mov %rsi, -16(%rbp)
    mov %rdx, -24(%rbp)
    mov %rcx, -32(%rbp)
    mov %r8, -40(%rbp)
    mov %r9, -48(%rbp)
    mov %rax, -56(%rbp)
    movaps %xmm0, -192(%rbp)
    movaps %xmm1, -176(%rbp)
    movaps %xmm2, -160(%rbp)
    movaps %xmm3, -144(%rbp)
    movaps %xmm4, -128(%rbp)
    movaps %xmm5, -112(%rbp)
    movaps %xmm6, -96(%rbp)
    movaps %xmm7, -80(%rbp)
    mov \restore_self, %rdi
    mov \restore_selector, %rsi
    call apple_find_method@PLT
    mov %rax, %r11
    mov -8(%rbp), %rdi
    mov -16(%rbp), %rsi
    mov -24(%rbp), %rdx
    mov -32(%rbp), %rcx
    mov -40(%rbp), %r8
    mov -48(%rbp), %r9
    mov -56(%rbp), %rax
    movaps -192(%rbp), %xmm0
    movaps -176(%rbp), %xmm1
    movaps -160(%rbp), %xmm2
    movaps -144(%rbp), %xmm3
    movaps -128(%rbp), %xmm4
    movaps -112(%rbp), %xmm5
    movaps -96(%rbp), %xmm6
    movaps -80(%rbp), %xmm7
    leave
    .cfi_def_cfa %rsp, 8
    jmp *%r11
1:  xor %eax, %eax
    xor %edx, %edx
    xorps %xmm0, %xmm0
    ret
    .cfi_endproc
    .size \name, .-\name
    .endm

    SEND objc_msgSend, %rdi, %rsi, -8(%rbp), -16(%rbp)
    SEND objc_msgSend_fpret, %rdi, %rsi, -8(%rbp), -16(%rbp)
    // The result's place comes first, so receiver and selector are one argument further.
    SEND objc_msgSend_stret, %rsi, %rdx, -16(%rbp), -24(%rbp)

// void apple_switch(void** save, void* to): goes on on another stack; what must be kept lies on the one left.
    .globl apple_switch
    .type apple_switch, @function
apple_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size apple_switch, .-apple_switch

    .section .note.GNU-stack,"",@progbits
