// Random crashes and damage against the log and the snapshot store alone, many short lives a seed.
import { runLogLives } from '../src/storage-level/log-lives.ts';
import { runStoreLives } from '../src/storage-level/store-lives.ts';
import { searchSeeds } from './search-arguments.mjs';

searchSeeds((seed, target) => {
  if (target === 'wal') runLogLives(seed);
  else runStoreLives(seed);
});
