// Yosys techmap: the full adders of a build for target=asic become the full-adder cell of ASAP7. To be used while the
// hierarchy still stands:
//   chtype -set gemmsmith_mirror_adder t:*_mirror_adder
//   techmap -map mirror_adder_asap7.v
module gemmsmith_mirror_adder (input a, b, c, output sum_n, carry_n);
  FAx1_ASAP7_75t_R _TECHMAP_REPLACE_ (.A(a), .B(b), .CI(c), .SN(sum_n), .CON(carry_n));
endmodule
