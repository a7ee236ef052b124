import { readFileSync } from 'node:fs';
import { FaultScheduleError, parseFaultSchedule } from '@quorate/faults';
import { type Document, isMap, isNode, LineCounter, type Pair, parseDocument } from 'yaml';
import type { z } from 'zod';
import { UsageError } from '../errors.ts';
import { type Scenario, scenarioSchema } from './schema.ts';

/** A scenario with where it came from. */
export interface LoadedScenario {
  readonly scenario: Scenario;
  readonly file: string;
  /** The file's text, whose digest stands in the result. */
  readonly text: string;
  /** `file:line` of what stands at a path of the document, or of what should hold it. */
  readonly placeOf: (path: readonly (string | number)[]) => string;
}

/** Reads and checks a scenario file. Throws {@link UsageError}: file, line and what is allowed. */
export function loadScenario(file: string): LoadedScenario {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new UsageError(`${file}: cannot be read (${code}); \`quorate list\` names the scenarios`);
  }
  return readScenario(text, file);
}

/** Checks the text of a scenario; `file` names it in errors. */
export function readScenario(text: string, file: string): LoadedScenario {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number): string => `${file}:${lines.linePos(offset).line}`;
  const broken = document.errors[0];
  if (broken) throw new UsageError(`${lineAt(broken.pos[0])}: ${broken.message}`);
  const parsed = scenarioSchema.safeParse(document.toJS() ?? {});
  if (!parsed.success) {
    const issue = parsed.error.issues[0] as z.core.$ZodIssue;
    throw new UsageError(`${lineAt(offsetOf(document, issue))}: ${explain(issue)}`);
  }
  const placeOf = (path: readonly (string | number)[]): string =>
    lineAt(offsetOf(document, { code: 'custom', path: [...path], message: '' }));
  try {
    // The grammar alone: whether a cluster can carry it out is known once the flags are laid over.
    parseFaultSchedule(parsed.data.faults);
  } catch (error) {
    if (!(error instanceof FaultScheduleError)) throw error;
    const path = ['faults', ...error.path];
    throw new UsageError(`${placeOf(path)}: ${path.join('.')}: ${error.problem}`);
  }
  return { scenario: parsed.data, file, text, placeOf };
}

/** One line for the first thing that is wrong: the path, the reason, and what is allowed there. */
function explain(issue: z.core.$ZodIssue): string {
  const path = issue.path.join('.');
  const where = path === '' ? '' : `${path}: `;
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => `"${key}"`).join(', ');
    return `${where}unknown key ${keys}; allowed: ${allowedKeys(issue.path).join(', ')}`;
  }
  return `${where}${issue.message}`;
}

interface Inner {
  readonly def: {
    readonly type: string;
    readonly innerType?: Inner;
    readonly element?: Inner;
    readonly shape?: Readonly<Record<string, Inner>>;
  };
}

/** Walks the schema to the object at `path` and lists its keys. */
function allowedKeys(path: readonly PropertyKey[]): string[] {
  let at = unwrap(scenarioSchema as unknown as Inner);
  for (const step of path) {
    const next = typeof step === 'number' ? at.def.element : at.def.shape?.[String(step)];
    if (next === undefined) return [];
    at = unwrap(next);
  }
  return Object.keys(at.def.shape ?? {});
}

function unwrap(schema: Inner): Inner {
  let at = schema;
  while (at.def.innerType !== undefined) at = at.def.innerType;
  return at;
}

/** Where the culprit starts: the unknown key itself, else the value, else what should hold it. */
function offsetOf(document: Document, issue: z.core.$ZodIssue): number {
  const path = [...issue.path] as (string | number)[];
  if (issue.code === 'unrecognized_keys') {
    const holder = path.length === 0 ? document.contents : document.getIn(path, true);
    if (isMap(holder)) {
      const pair = holder.items.find((item) => String((item as Pair).key) === issue.keys[0]);
      const key = (pair as Pair | undefined)?.key;
      if (isNode(key)) return key.range?.[0] ?? 0;
    }
  }
  for (let depth = path.length; depth >= 0; depth--) {
    const steps = path.slice(0, depth);
    const node = depth === 0 ? document.contents : document.getIn(steps, true);
    if (isNode(node)) return node.range?.[0] ?? 0;
  }
  return 0;
}
