import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixtureReport } from './fixture-run.ts';
import { reportCharts } from './folder.ts';
import { renderPage } from './page.ts';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const browserPath = process.env.QUORATE_CHROMIUM ?? BROWSERS.find((path) => existsSync(path));
const skipReason = browserPath === undefined ? ' (skipped: no Chromium is installed)' : '';
const WIDTHS = [1280, 390];

/** What the inspection needs of the page's own world; the tests' own world has no document. */
interface PageElement {
  readonly textContent: string | null;
  getAttribute(name: string): string | null;
  getBoundingClientRect(): Record<'left' | 'right' | 'top' | 'bottom' | 'width' | 'height', number>;
  querySelectorAll(selector: string): Iterable<PageElement>;
}
declare const document: {
  readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number };
  getElementById(id: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
};

/** Runs in the page: what is drawn, what is named, and which text sticks out of its picture. */
function inspectPage() {
  const shown = [...document.querySelectorAll('figure svg')].filter(
    (svg) => svg.getBoundingClientRect().width > 0,
  );
  const outside = shown.flatMap((svg) => {
    const frame = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text')]
      .filter((text) => {
        const box = text.getBoundingClientRect();
        const sideways = box.left < frame.left - 1 || box.right > frame.right + 1;
        return sideways || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
      })
      .map((text) => text.textContent);
  });
  const heights = shown.flatMap((svg) =>
    [...svg.querySelectorAll('text')].map((text) => text.getBoundingClientRect().height),
  );
  const names = shown.map((svg) => {
    const id = svg.getAttribute('aria-labelledby') ?? '';
    return document.getElementById(id)?.textContent ?? '';
  });
  const { scrollWidth, clientWidth } = document.documentElement;
  return { names, outside, smallest: Math.min(...heights), scrollWidth, clientWidth };
}

describe.skipIf(browserPath === undefined)(`the page in a browser${skipReason}`, () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking'];
    const quiet = ['--disable-component-update', '--disable-sync', '--no-first-run'];
    browser = await chromium.launch({
      executablePath: browserPath ?? '',
      args: [...args, ...quiet],
    });
    folder = mkdtempSync(join(tmpdir(), 'quorate-page-'));
    const input = fixtureReport();
    writeFileSync(join(folder, 'report.html'), await renderPage(input, reportCharts(input)));
  }, 60_000);

  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(WIDTHS)(
    'shows five named charts at %i px, unclipped, with the network off',
    async (width) => {
      const context = await browser.newContext({ viewport: { width, height: 900 }, offline: true });
      const page = await context.newPage();
      const noise: string[] = [];
      page.on('console', (message) => noise.push(`${message.type()}: ${message.text()}`));
      page.on('pageerror', (error) => noise.push(String(error)));
      page.on('request', (request) => {
        if (!/^(file|data):/.test(request.url())) noise.push(`request: ${request.url()}`);
      });
      await page.goto(pathToFileURL(join(folder, 'report.html')).href);
      const found = await page.evaluate(inspectPage);
      expect(noise).toEqual([]);
      expect(found.names).toHaveLength(5);
      expect(new Set(found.names.filter((name) => name.length > 10)).size).toBe(5);
      expect(found.outside).toEqual([]);
      expect(found.smallest).toBeGreaterThan(9);
      expect(found.scrollWidth).toBe(found.clientWidth);
      // The data stand behind a click, and opening them makes nothing overflow.
      for (const summary of await page.locator('summary').all()) await summary.click();
      expect(await page.locator('details[open] table').count()).toBeGreaterThanOrEqual(6);
      const opened = await page.evaluate(inspectPage);
      expect(opened.scrollWidth).toBe(opened.clientWidth);
      await context.close();
    },
    60_000,
  );
});
