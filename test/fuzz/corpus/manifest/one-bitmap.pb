bitferry 0.1.0vm ¯”ØR:
vda€€€ R.
b€  (: å 
©™È¥î1	„M„¥Uƒ½ W*ÓÿÍBy/<6±ƒ­Z>
vda.carrier.qcow2vda€€" v+ŒQ•|{7ˆäæ‡°ä®D½åY²M²WaDÔõ<