import { z } from 'zod';

/** A time span in a story: the same words as elsewhere in a scenario. In milliseconds. */
type Span = z.ZodType<number, string | number>;

const variants = z.record(z.string(), z.union([z.boolean(), z.number(), z.string()]));

const statement = z.strictObject({
  expect: z.string().describe('acked_lost == 0, recovers{set="raft plain"} == 100%'),
  because: z.string().min(1).describe('why it must hold, in one sentence'),
});

const published = z.strictObject({
  says: z.string().min(1).describe('what was published, in one sentence'),
  source: z.string().min(1),
  expect: z.string().optional().describe('the same as an expression; without it: not comparable'),
  differs: z.string().optional().describe('why ours differs, where it does'),
});

/** What is compared, and the single writes; both hold time spans. */
function partsOf(durationMs: Span, protocols: readonly [string, ...string[]]) {
  const timeouts = z.tuple([durationMs, durationMs]);
  const own = {
    heartbeat: durationMs.optional(),
    linkDelay: timeouts.optional().describe('one way, least and most'),
  };
  const set = z.strictObject({
    name: z.string().min(1).describe('what selectors and tables call it'),
    protocol: z.enum(protocols),
    variants: variants.default({}),
    electionTimeout: timeouts.optional(),
    ...own,
  });
  const timing = z.strictObject({
    name: z.string().min(1),
    trials: z.number().int().positive().optional().describe('at most so many under this one'),
    electionTimeout: timeouts,
    ...own,
  });
  const write = z.strictObject({
    at: durationMs.describe('from the start of the story'),
    to: z.string().describe('the role of the node that is asked: leader, node 1'),
    times: z.number().int().positive().max(1_000).default(1),
  });
  return { timeouts, set, timing, write };
}

/** The measured side of a story: the part of a scenario that only the simulator can carry out. */
export function storySchemaOf(durationMs: Span, protocols: readonly [string, ...string[]]) {
  const { timeouts, set, timing, write } = partsOf(durationMs, protocols);
  return z
    .strictObject({
      trials: z.number().int().positive().max(10_000).default(20).describe('--trials sets it'),
      starts: z
        .enum(['boot', 'serving', 'heartbeat'])
        .default('serving')
        .describe('when the schedule begins: at once, under a leader, as a heartbeat leaves'),
      ends: z
        .enum(['healed', 'serving'])
        .default('healed')
        .describe('serving: as soon as another leader serves'),
      lasts: durationMs.optional().describe('at least so long; default: to the last healing'),
      sets: z
        .union([z.enum(['defaults', 'every-variant']), z.array(set).min(1)])
        .default('defaults')
        .describe('what is compared'),
      timings: z.array(timing).min(1).optional().describe('each set under each timing'),
      timeouts: z
        .record(z.string().regex(/^node [1-9]$/, 'node 1 to node 9'), durationMs)
        .default({})
        .describe('fixed election timeouts of single nodes'),
      linkDelay: timeouts.default([0.1, 0.5]).describe('one way, least and most'),
      rate: z
        .number()
        .nonnegative()
        .max(10_000)
        .default(100)
        .describe('writes a second that the client beside each replica asks of it while it leads'),
      writes: z.array(write).max(1_000).default([]).describe('single writes beside the probe'),
      table: z
        .string()
        .regex(/^[a-z0-9-]+$/)
        .optional()
        .describe('--record writes results/<table>.json'),
      statements: z.array(statement).min(1),
      published: z.array(published).default([]),
    })
    .describe('a story: trials in the simulator with checked statements');
}
