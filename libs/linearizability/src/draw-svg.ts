import type { Violation } from './check.ts';
import { layOutDrawing, type PlacedOperation, startText } from './drawing-layout.ts';
import { formatHistory } from './ndjson.ts';
import { eventsOf } from './operation.ts';

const COLUMN_PIXELS = 8;
const ROW_PIXELS = 44;
const BAR_PIXELS = 28;
const NAME_PIXELS = 110;
const MARGIN_PIXELS = 12;

/** Draws a violation as one SVG element with a title and a description; it needs no style sheet. */
export function drawSvg(violation: Violation): string {
  const { processes, placed, columns } = layOutDrawing(violation.operations);
  const width = NAME_PIXELS + (columns + 1) * COLUMN_PIXELS + 2 * MARGIN_PIXELS;
  const height = processes.length * ROW_PIXELS + 2 * MARGIN_PIXELS;
  const title = `Key ${violation.key}: the smallest failing part of the history`;
  const rows = processes.map((process, row) => {
    const y = MARGIN_PIXELS + row * ROW_PIXELS + ROW_PIXELS / 2;
    const from = NAME_PIXELS;
    const to = width - MARGIN_PIXELS;
    const lane = `<line x1="${from}" x2="${to}" y1="${y}" y2="${y}" class="lane"/>`;
    return `${lane}<text x="${MARGIN_PIXELS}" y="${y + 5}" class="name">process ${process}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img"`,
    ` width="${width}" height="${height}" aria-label="${escapeMarkup(title)}">`,
    `<title>${escapeMarkup(title)}</title><desc>${escapeMarkup(describe(violation))}</desc>`,
    `<style>${SVG_STYLE}</style>`,
    ...rows,
    ...placed.map(drawBar),
    '</svg>',
  ].join('');
}

/**
 * A standalone page for a violation: the drawing, what is wrong in words, and the part itself as
 * `.ndjson`, which `quorate check` fails again. It asks for nothing from the network.
 */
export function drawHtml(violation: Violation): string {
  const events = escapeMarkup(formatHistory(eventsOf(violation.operations)));
  const heading = `Key ${escapeMarkup(JSON.stringify(violation.key))} is not linearizable`;
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<link rel="icon" href="data:,">',
    `<title>${heading}</title><style>${PAGE_STYLE}</style></head><body><main>`,
    `<h1>${heading}</h1><p>${escapeMarkup(describe(violation))}</p>`,
    `<div class="drawing">${drawSvg(violation)}</div>`,
    '<p class="legend"><span class="mark see"></span>sees the value',
    '<span class="mark alter"></span>changes it',
    '<span class="mark alter lost"></span>never returned: may take effect at any later time</p>',
    '<p>Time goes to the right, from event to event; lengths are no durations.</p>',
    `<details><summary>These operations as a history</summary><pre>${events}</pre></details>`,
    '</main></body></html>\n',
  ].join('');
}

function describe({ explanation, operations, keyOperations, initial }: Violation): string {
  const count = `${operations.length} of ${keyOperations} operations`;
  return `${count} fail by themselves, ${startText(initial)}: ${explanation}.`;
}

function drawBar({ label, row, startColumn, endColumn, open, operation }: PlacedOperation): string {
  const x = NAME_PIXELS + MARGIN_PIXELS + startColumn * COLUMN_PIXELS;
  const y = MARGIN_PIXELS + row * ROW_PIXELS + (ROW_PIXELS - BAR_PIXELS) / 2;
  const width = Math.max(COLUMN_PIXELS, (endColumn - startColumn) * COLUMN_PIXELS);
  const kind = operation.f === 'read' ? 'read' : 'change';
  const bar = open
    ? `<path d="M${x + width} ${y}H${x + 5}q-5 0-5 5v${BAR_PIXELS - 10}q0 5 5 5H${x + width}"`
    : `<rect x="${x}" y="${y}" width="${width}" height="${BAR_PIXELS}" rx="5"`;
  return (
    `${bar} class="${kind}${open ? ' open' : ''}"/>` +
    `<text x="${x + COLUMN_PIXELS}" y="${y + 19}" class="label">${escapeMarkup(label)}</text>`
  );
}

function escapeMarkup(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

const SVG_STYLE = [
  'text{font:13px ui-monospace,monospace;fill:#1a1f26}',
  '.name{fill:#57606a}.lane{stroke:#c9d1d9;stroke-width:1}',
  'rect,path{stroke-width:1.5}.read{fill:#ddeafb;stroke:#0072b2}',
  '.change{fill:#fbe6d4;stroke:#d55e00}.open{stroke-dasharray:5 4}',
].join('');

const PAGE_STYLE = [
  'body{margin:0;background:#fff;color:#1a1f26;font:16px/1.5 system-ui,sans-serif}',
  'main{max-width:72rem;margin:0 auto;padding:2rem 1rem}h1{font-size:1.4rem}',
  '.drawing{overflow-x:auto;border:1px solid #d0d7de;border-radius:8px;padding:.5rem}',
  '.legend{display:flex;flex-wrap:wrap;align-items:center;gap:.5rem}',
  '.mark{width:1.6rem;height:.9rem;border:1.5px solid;border-radius:4px}',
  '.legend .alter{margin-left:1rem}',
  '.see{background:#ddeafb;border-color:#0072b2}.alter{background:#fbe6d4;border-color:#d55e00}',
  '.lost{border-style:dashed;border-right:0;border-radius:4px 0 0 4px}',
  'pre{overflow-x:auto;background:#f6f8fa;padding:1rem;border-radius:8px;font-size:.85rem}',
].join('');
