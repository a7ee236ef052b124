export { conformanceCases, conformanceSuite } from './conformance-suite.ts';
export { GoldenCluster, type GoldenOptions } from './golden/golden-cluster.ts';
export { GoldenRunner } from './golden/golden-commands.ts';
export { goldenScripts, runGoldenScript } from './golden/golden-scripts.ts';
export {
  type ConformanceCase,
  ConformanceKit,
  type ConformanceOptions,
  expectThat,
} from './kit.ts';
export { caughtBy, PLANTED_BUGS, type PlantedBug, plantedBugSuite } from './planted-bugs.ts';
