// What the programs that search by seeds have in common: `--target T --first A --last B --budget-ms C`, a
// line `tries SEED` before each seed, a line `killed SEED REASON` at the first that notices.
import { parseArgs } from 'node:util';

export function searchSeeds(runSeed) {
  const { values } = parseArgs({
    options: {
      target: { type: 'string' },
      first: { type: 'string' },
      last: { type: 'string' },
      'budget-ms': { type: 'string' },
    },
  });
  const endsAt = performance.now() + Number(values['budget-ms'] ?? 3_600_000);
  const first = Number(values.first ?? 1);
  const last = Number(values.last ?? 2000);
  for (let seed = first; seed <= last && performance.now() < endsAt; seed++) {
    process.stdout.write(`tries ${seed}\n`);
    try {
      runSeed(seed, values.target ?? '');
    } catch (error) {
      const [reason = ''] = String(error?.message ?? error).split('\n');
      process.stdout.write(`killed ${seed} ${reason.slice(0, 300)}\n`);
      return;
    }
  }
}
