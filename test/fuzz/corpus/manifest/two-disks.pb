bitferry 0.1.0vm ¯”ØR
vda€€€ RR
a€€ 2Ein use: the image was not closed cleanly, or a running VM has it openR.
b€  (: å 
©™È¥î1	„M„¥Uƒ½ W*ÓÿÍBy/<6±ƒ­R
vdb€€€ RR
a€€ 2Ein use: the image was not closed cleanly, or a running VM has it openR.
b€  (: å 
©™È¥î1	„M„¥Uƒ½ W*ÓÿÍBy/<6±ƒ­Z>
vda.carrier.qcow2vda€€" v+ŒQ•|{7ˆäæ‡°ä®D½åY²M²WaDÔõ<Z>
vdb.carrier.qcow2vdb€€" v+ŒQ•|{7ˆäæ‡°ä®D½åY²M²WaDÔõ<