export {
  AWAITED_FEATURES,
  CATALOGUE,
  CATALOGUE_SERIES,
  type CatalogueRow,
  catalogueMarkdown,
} from './catalogue.ts';
export { conformanceCases, conformanceSuite } from './conformance-suite.ts';
export {
  type ConformanceCase,
  ConformanceKit,
  type ConformanceOptions,
  expectThat,
} from './kit.ts';
export { caughtBy, PLANTED_BUGS, type PlantedBug, plantedBugSuite } from './planted-bugs.ts';
export { GoldenCluster, type GoldenOptions } from './scripts/golden-cluster.ts';
export { GoldenRunner } from './scripts/golden-commands.ts';
export { goldenScripts, runGoldenScript } from './scripts/golden-scripts.ts';
export { Story, type StoryStatus } from './scripts/story.ts';
