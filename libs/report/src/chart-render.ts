import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { Chart, ChartSpec } from './chart.ts';
import { COLOUR_VARIABLES, INK, MUTED } from './chart-palette.ts';
import { escapeMarkup } from './figures.ts';

// Without a canvas vega guesses 0.8 em a character, which leaves wide gaps beside labels. Sans
// text of this kind takes 0.5 to 0.6 em; the rest is a margin against clipped text.
const EM_PER_CHARACTER = 0.63;
const scenegraph = vega as unknown as {
  readonly textMetrics: { width: (item: { fontSize?: number }, text: unknown) => number };
};
scenegraph.textMetrics.width = (item, text) =>
  String(text ?? '').length * (item.fontSize ?? 11) * EM_PER_CHARACTER;

/** Draws a vega-lite specification as SVG, in Node, without a browser and without a font file. */
export async function renderSvg(spec: ChartSpec): Promise<string> {
  const compiled = compile(spec as unknown as TopLevelSpec).spec;
  const view = new vega.View(vega.parse(compiled), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** A chart's SVG for a file: named, described, plain colours. */
export async function chartSvg(chart: Chart, width: 'wide' | 'narrow'): Promise<string> {
  const spec = width === 'wide' ? chart.wide : chart.narrow;
  const svg = spec === null ? placeholder(chart, width) : await renderSvg(spec);
  return named(svg, chart, `${chart.id}-${width}`);
}

/** The same SVG with the page's variables in the place of colours, so that it follows the page. */
export function withPageColours(svg: string): string {
  let swapped = svg;
  for (const [colour, variable] of COLOUR_VARIABLES) {
    swapped = swapped.replaceAll(`"${colour}"`, `"var(${variable})"`);
  }
  return swapped;
}

/** Gives the root an accessible name; inner roles go, since the picture is one thing. */
function named(svg: string, { title, description }: Chart, id: string): string {
  const body = svg
    .replaceAll(/ (?:aria-[a-z]+|role)="[^"]*"/g, '')
    .replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', '')
    .replace(' version="1.1" class="marks"', '');
  const names =
    `<title id="${id}-title">${escapeMarkup(title)}</title>` +
    `<desc id="${id}-desc">${escapeMarkup(description)}</desc>`;
  const attributes = `role="img" aria-labelledby="${id}-title" aria-describedby="${id}-desc"`;
  return body.replace(/^<svg ([^>]*)>/, `<svg ${attributes} $1>${names}`);
}

function placeholder({ emptyReason }: Chart, width: 'wide' | 'narrow'): string {
  const pixels = width === 'wide' ? 960 : 330;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${pixels}" height="60"` +
    ` viewBox="0 0 ${pixels} 60" font-family="system-ui, sans-serif">` +
    `<text x="4" y="26" font-size="13" fill="${INK}">Nothing to draw</text>` +
    `<text x="4" y="46" font-size="12" fill="${MUTED}">${escapeMarkup(emptyReason ?? '')}</text>` +
    '</svg>'
  );
}
