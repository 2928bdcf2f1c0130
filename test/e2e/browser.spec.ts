import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { has, needs } from '../support/needs';
import { RunningService } from '../support/service';

describe.runIf(has('chromium'))(`signing in with a real browser${needs('chromium')}`, () => {
  let service: RunningService;
  let browser: Browser;

  beforeAll(async () => {
    service = await RunningService.start();
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update'],
    });
  });
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
  });

  it('shows the code that the terminal shows, asks for the password, and the terminal is signed in', async () => {
    const login = spawn(`${service.clone.root}/curfew`, ['login', '--profile', 'browser'], {
      env: { PATH: process.env['PATH'], HOME: service.clone.home, CURFEW_HOME: service.clone.home },
    });
    const ended = new Promise((resolve) => login.once('close', resolve));
    let said = '';
    login.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    let address: string | undefined;
    for await (const line of createInterface({ input: login.stderr })) {
      address ??= /https?:\/\/\S+/.exec(line)?.[0];
      const code = /^\s*([A-Z]{4}-[A-Z]{4})\s*$/.exec(line)?.[1];
      if (code !== undefined && address !== undefined) await signIn(address, code);
    }
    expect(await ended).toBe(0);
    expect(said).toContain('Signed in as Ada');
  });

  async function signIn(address: string, code: string): Promise<void> {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(address);
    expect(await page.getByText(code).isVisible()).toBe(true);
    // The style is there: a policy that forbids it shows the page without.
    expect(await page.locator('main').evaluate('element => getComputedStyle(element).boxShadow')).not.toBe('none');
    await page.getByRole('button', { name: 'Yes, continue' }).click();
    await page.getByLabel('Account').fill('ada');
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Password').fill(service.password('ada'));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: /signed in/i }).waitFor();
    // A 403 for the wrong password is all that a browser may say.
    expect(complaints.filter((text) => !text.includes('403'))).toEqual([]);
    await page.close();
  }

  it('shows a page to browse the API at the address that `npm start` names', async () => {
    const page = await browser.newPage();
    await page.goto(service.url);
    expect(page.url()).toBe(`${service.url}/docs`);
    const route = page.getByText('/v1/requests/{id}/decisions').first();
    await route.waitFor();
    expect(await route.isVisible()).toBe(true);
    await page.close();
  });
});
