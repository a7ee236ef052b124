// Random small histories, whole and damaged, against the checker: its verdict must be that of a
// search of all orders, and what it calls the smallest failing part must fail by itself and show
// nothing that the whole did not show.
import { createRandom } from '@quorate/foundation';
import {
  linearizableByTrial,
  operationsByTrial,
  showsPartOf,
} from '../../linearizability/src/brute-force-oracle.ts';
import {
  checkLinearizability,
  formatHistory,
  pairOperations,
  parseHistory,
} from '../../linearizability/src/index.ts';
import { drawHistory } from '../../linearizability/src/small-histories.ts';
import { searchSeeds } from './search-arguments.mjs';

const HISTORIES = 20;

searchSeeds((seed) => {
  const random = createRandom(`checker ${seed}`);
  for (let count = 0; count < HISTORIES; count++) {
    const { events, initial } = drawHistory(random);
    const operations = pairOperations(parseHistory(formatHistory(events)));
    const isGood = linearizableByTrial(operationsByTrial(events), initial);
    const expected = isGood ? 'linearizable' : 'notLinearizable';
    const { verdict, violations } = checkLinearizability(operations, { initial });
    const history = JSON.stringify(events);
    if (verdict !== expected) throw new Error(`K1: ${verdict}, but ${expected}: ${history}`);
    for (const part of violations) {
      const shows = showsPartOf(operations, part.operations, initial);
      if (linearizableByTrial(part.operations, initial)) {
        throw new Error(`K1: the failing part of a history does not fail: ${history}`);
      }
      const invented = part.operations.find((one) => !shows(one));
      if (invented === undefined) continue;
      throw new Error(`K1: a part shows ${JSON.stringify(invented)}, the whole not: ${history}`);
    }
  }
});
