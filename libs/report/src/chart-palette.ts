/** How a protocol looks in each chart: colour in light and dark pages, dash of its lines. */
export interface ProtocolStyle {
  readonly name: string;
  /** What people read: `none` is the unreplicated baseline. */
  readonly title: string;
  readonly colour: string;
  readonly darkColour: string;
  readonly dash: readonly number[];
}

// Okabe and Ito's palette, safe for colour-blind readers; the dash says the same without colour.
const KNOWN: readonly ProtocolStyle[] = [
  style('raft', 'raft', '#0072b2', '#56b4e9', [1, 0]),
  style('multi-paxos', 'multi-paxos', '#d55e00', '#f5925a', [7, 3]),
  style('zab', 'zab', '#009e73', '#3fcfa4', [3, 2]),
  style('none', 'unreplicated', '#6b7280', '#a3acb8', [9, 3, 2, 3]),
];

const OTHERS: readonly (readonly [colour: string, darkColour: string])[] = [
  ['#aa4499', '#de8fd0'],
  ['#8a6d00', '#e6c34a'],
];

/** The look of a protocol; `place` tells protocols apart that have no look of their own. */
export function protocolStyle(name: string, place = 0): ProtocolStyle {
  const known = KNOWN.find((entry) => entry.name === name);
  if (known !== undefined) return known;
  const [colour, darkColour] = OTHERS[place % OTHERS.length] ?? ['#aa4499', '#de8fd0'];
  return style(name, name, colour, darkColour, [5, 2, 1, 2]);
}

/** Colours of failover phases, in their order: dark to light, apart in brightness too. */
export const PHASE_COLOURS: readonly string[] = [
  '#44337a',
  '#33638d',
  '#1f968b',
  '#55c667',
  '#b8de29',
  '#fdb863',
  '#c9a0dc',
];

/** Plain colours of a chart; a page swaps them for its own variables. */
export const INK = '#1f2933';
/** For axes' labels and captions. */
export const MUTED = '#55606b';
/** For grid lines. */
export const GRID = '#dde3e8';
/** For bands that mark a fault in force. */
export const FAULT = '#c2410c';

/** The plain colours with the page's variables that stand for them. */
export const COLOUR_VARIABLES: ReadonlyMap<string, string> = new Map([
  [INK, '--ink'],
  [MUTED, '--muted'],
  [GRID, '--grid'],
  [FAULT, '--fault'],
  ...KNOWN.map(({ colour, name }): [string, string] => [colour, `--protocol-${name}`]),
]);

/** The style sheet's lines for the protocols, for a light or a dark page. */
export function protocolVariables(dark: boolean): string {
  return KNOWN.map(
    ({ name, colour, darkColour }) => `--protocol-${name}:${dark ? darkColour : colour};`,
  ).join('');
}

function style(
  name: string,
  title: string,
  colour: string,
  darkColour: string,
  dash: readonly number[],
): ProtocolStyle {
  return { name, title, colour, darkColour, dash };
}
