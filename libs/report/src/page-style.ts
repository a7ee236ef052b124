import { FAULT, GRID, INK, MUTED, protocolVariables } from './chart-palette.ts';

const LIGHT = [
  `--ink:${INK};--muted:${MUTED};--grid:${GRID};--fault:${FAULT};`,
  '--page:#ffffff;--card:#f7f9fa;--line:#dde3e8;--good:#116b3c;--bad:#b42318;--open:#8a5a00;',
  '--good-tint:#e8f5ee;--bad-tint:#fdecea;--open-tint:#fdf4e1;',
  protocolVariables(false),
].join('');

const DARK = [
  '--ink:#e6eaee;--muted:#a3aeb8;--grid:#343c44;--fault:#f59e6c;',
  '--page:#14181c;--card:#1c2228;--line:#343c44;--good:#5fd39a;--bad:#ff8a80;--open:#f0bd5c;',
  '--good-tint:#16301f;--bad-tint:#3a1a17;--open-tint:#33280f;',
  protocolVariables(true),
].join('');

/** The style sheet of the page: light and dark, wide and narrow, and paper. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
font-variant-numeric:tabular-nums}
main{max-width:1060px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:28px;line-height:1.2;margin:0;letter-spacing:-.015em}
h2{font-size:19px;margin:52px 0 6px;letter-spacing:-.01em}
h3{font-size:15px;margin:0 0 8px}
p{margin:6px 0;max-width:72ch}
.brand{font-size:12px;font-weight:600;letter-spacing:.09em;text-transform:uppercase;
color:var(--muted)}
.facts{color:var(--muted);margin-top:8px;font-size:14px;max-width:none}
.stamp{display:inline-block;margin:14px 0 0;padding:3px 10px;border:1px solid var(--open);
border-radius:999px;color:var(--open);font-size:13px;font-weight:600}
.headline{display:flex;gap:14px;align-items:center;margin:26px 0 18px;padding:16px 20px;
border-radius:12px;font-size:19px;font-weight:600}
.headline.good{background:var(--good-tint);color:var(--good)}
.headline.bad{background:var(--bad-tint);color:var(--bad)}
.headline.open{background:var(--open-tint);color:var(--open)}
.sign{flex:none;display:inline-block;width:1.2em;text-align:center;font-weight:700}
.good .sign{color:var(--good)}.bad .sign{color:var(--bad)}.open .sign{color:var(--open)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(225px,1fr));gap:14px}
.card{background:var(--card);border:1px solid var(--line);
border-top:3px solid var(--own,var(--line));
border-radius:10px;padding:14px 16px}
.card ul{list-style:none;margin:0;padding:0;font-size:13.5px;line-height:1.45}
.card li{display:flex;gap:6px;padding:2px 0;overflow-wrap:anywhere}
.variants{display:block;color:var(--muted);font-weight:400;font-size:12px;line-height:1.35;
overflow-wrap:anywhere}
.stack .variants{margin-left:18px}
.swatch{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:8px;
background:var(--own,var(--muted))}
table{border-collapse:collapse;width:100%;font-size:13.5px;margin:14px 0 8px}
th,td{text-align:right;padding:8px 8px;border-bottom:1px solid var(--line);vertical-align:top}
th:first-child,td:first-child{text-align:left;padding-left:0}
td+td:not(.violation){white-space:nowrap}
.left td+td:not(.violation){white-space:normal}
thead th{color:var(--muted);font-weight:500;font-size:12.5px;vertical-align:bottom}
td.violation{text-align:left;color:var(--bad);font-weight:600}
.left td,.left th{text-align:left}
.remark{color:var(--muted);font-size:13.5px}
figure{margin:14px 0 0}
figcaption{color:var(--muted);font-size:13.5px;max-width:76ch;margin-top:4px}
svg{display:block;max-width:100%;height:auto}
.narrow{display:none}
details{margin-top:10px;font-size:13.5px}
summary{cursor:pointer;color:var(--muted);padding:4px 0}
summary:hover,summary:focus-visible{color:var(--ink)}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:10px 24px;
margin:14px 0}
dt{color:var(--muted);font-size:12.5px}dd{margin:0;overflow-wrap:anywhere}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--card);border:1px solid var(--line);
border-radius:10px;padding:14px 16px;font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,monospace}
.limits{padding-left:20px}
footer{margin-top:56px;padding-top:16px;border-top:1px solid var(--line);color:var(--muted);
font-size:13px}
@media (max-width:760px){
main{padding:24px 16px 48px}h1{font-size:23px}h2{margin-top:40px}
.headline{font-size:16.5px;padding:13px 14px;gap:10px}
.wide{display:none}.narrow{display:block}
.stack thead{display:none}
.stack,.stack tbody,.stack tr,.stack td{display:block;width:100%}
.stack tr{padding:10px 0;border-bottom:1px solid var(--line)}
.stack td{display:flex;justify-content:space-between;gap:16px;border:0;padding:3px 0;
text-align:right;
overflow-wrap:anywhere}
.stack td::before{content:attr(data-head);color:var(--muted);text-align:left;flex:none}
.stack td:first-child{font-weight:600;display:block;text-align:left}
.stack td:first-child::before{content:none}
.stack td.violation{display:block}
.stack td,.stack td+td:not(.violation){white-space:normal}
.left td{text-align:right}
}
@media print{details>*{display:block}main{max-width:none}}
`;
