import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { applyPatch, type SourcePatch } from './mutant.ts';

/** Folders of the workspace whose projects are copied. */
const PROJECT_ROOTS = ['libs', 'tools'] as const;
const ROOT_FILES = ['package.json', 'tsconfig.json', 'tsconfig.base.json', 'vitest.config.ts'];
/** Read by tests, never patched. */
const ROOT_LINKS = ['docs', 'benchmarks', 'apps', 'ARCHITECTURE.md'];
const LEFT_OUT = new Set(['dist', 'node_modules', '.nx']);

/**
 * A copy of the workspace's sources in a temporary folder, to which patches are applied one at a
 * time. It costs a few megabytes and no installation: packages are links to the installed ones, and
 * the house's own packages are links into the copy, so that everything imports patched sources.
 */
export class WorkspaceCopy {
  readonly root: string;
  private restore: (() => void) | null = null;

  /** Copies the workspace at `from` into the empty or missing folder `into`. */
  constructor(from: string, into: string) {
    this.root = realpathSync(mkdirSync(into, { recursive: true }) ?? into);
    for (const name of PROJECT_ROOTS) {
      cpSync(join(from, name), join(this.root, name), {
        recursive: true,
        filter: (path) => !LEFT_OUT.has(basename(path)),
      });
    }
    for (const name of ROOT_FILES) copyFileSync(join(from, name), join(this.root, name));
    for (const name of ROOT_LINKS) {
      if (existsSync(join(from, name))) symlinkSync(join(from, name), join(this.root, name));
    }
    this.linkPackages(join(from, 'node_modules'));
  }

  /** Puts a mutant in; the one before it must have been taken out. Throws `PatchMisfit`. */
  apply(patch: SourcePatch): void {
    this.revert();
    const path = join(this.root, patch.file);
    const source = readFileSync(path, 'utf8');
    writeFileSync(path, applyPatch(source, patch));
    this.restore = () => writeFileSync(path, source);
  }

  /** Takes the mutant out again, if there is one. */
  revert(): void {
    this.restore?.();
    this.restore = null;
  }

  private linkPackages(installed: string): void {
    const own = join(this.root, 'node_modules');
    mkdirSync(join(own, '@quorate'), { recursive: true });
    for (const name of readdirSync(installed)) {
      if (name !== '@quorate' && !LEFT_OUT.has(name) && !name.startsWith('.')) {
        symlinkSync(join(installed, name), join(own, name));
      }
    }
    for (const name of readdirSync(join(this.root, 'libs'))) {
      symlinkSync(join(this.root, 'libs', name), join(own, '@quorate', name));
    }
  }
}
