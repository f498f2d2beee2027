// The review report in a real browser: Chromium, headless, from a file:// page.
//
// usage: npm install && node review.mjs HOMONYM WORK [CHROMIUM]
//
// HOMONYM is the binary, WORK a folder for the catalogues made up here, their reports and screenshots. Works with names of
// 2 and of 2,000 tracks and with hostile titles: decisions by keyboard, undo, the export as a download, which `homonym apply`
// and `homonym split` then replay, and audio that plays. Ends with an error where anything is not as it should be.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [homonym, work, executablePath = '/usr/bin/chromium'] = process.argv.slice(2);
if (!work) { console.error('usage: node review.mjs HOMONYM WORK [CHROMIUM]'); process.exit(2); }
const binary = resolve(homonym), at = (...parts) => join(resolve(work), ...parts);
mkdirSync(at('audio'), { recursive: true });
const run = (...args) => JSON.parse(execFileSync(binary, [...args, '--json'], { encoding: 'utf8', cwd: resolve(work), stdio: ['ignore', 'pipe', 'ignore'] }));

const HOSTILE = ['</script><script>window.harmed = 1</script>', '<img src=x onerror="window.harmed = 1">', '"><svg onload=window.harmed=1>',
  '\u202eright to left \u2028 line', '{{ title }} {% raw %}', "'; DROP TABLE tracks; --", '&lt;b&gt; &amp;', 'x'.repeat(400), '🎷🎺 Ünïcode 音楽', '=1+1', 'a,"b",c', ' '];

function npy(rows, cols, values) {
  let header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${cols}), }`;
  header = header.padEnd(117) + '\n';
  const start = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8]);
  return Buffer.concat([start, Buffer.from(header, 'latin1'), Buffer.from(Float32Array.from(values).buffer)]);
}

// A second of a tone, 8 kHz, 16 bits.
function wav(hertz) {
  const rate = 8000, data = Int16Array.from({ length: rate }, (_, i) => 9000 * Math.sin(2 * Math.PI * hertz * i / rate)), head = Buffer.alloc(44);
  head.write('RIFF', 0); head.writeUInt32LE(36 + 2 * rate, 4); head.write('WAVEfmt ', 8); head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22); head.writeUInt32LE(rate, 24); head.writeUInt32LE(2 * rate, 28); head.writeUInt16LE(2, 32); head.writeUInt16LE(16, 34);
  head.write('data', 36); head.writeUInt32LE(2 * rate, 40);
  return Buffer.concat([head, Buffer.from(data.buffer)]);
}

let seed = 1;
const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
const cell = text => `"${text.replaceAll('"', '""')}"`;

// Names of some artists with some tracks each, around a place of the artist's own.
function catalogue(prefix, names, titles = []) {
  const values = [], lines = ['track_id,path,artist,title,album,year'];
  for (const [name, sizes] of names) {
    for (const size of sizes) {
      const place = Array.from({ length: 8 }, normal);
      for (let track = 0; track < size; track++) {
        values.push(...place.map(x => x + .2 * normal()));
        const title = titles.length ? titles[(lines.length - 1) % titles.length] : `Track ${lines.length}`;
        lines.push([`t${lines.length}`, `audio/${lines.length % 9} #${prefix}.wav`, name, title, titles.length ? title : `Album ${1 + track % 3}`, String(1990 + track % 30)].map(cell).join(','));
      }
    }
  }
  for (let i = 0; i < 9; i++) writeFileSync(at('audio', `${i} #${prefix}.wav`), wav(220 + 40 * i));
  writeFileSync(at(`${prefix}.npy`), npy(lines.length - 1, 8, values));
  writeFileSync(at(`${prefix}.csv`), lines.join('\n') + '\n');
  run('split', prefix, '--distance', '2', '--out', `${prefix}.labels.csv`);
  run('report', prefix, '--labels', `${prefix}.labels.csv`, '--distance', '2', '--title', `${prefix} </title><script>window.harmed = 1</script>`, '--out', `${prefix}.html`);
}

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required'] });

async function open(prefix, settings = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, ...settings });
  const page = await context.newPage(), trouble = [];
  page.on('pageerror', error => trouble.push(error.message));
  page.on('console', message => message.type() === 'error' && trouble.push(message.text()));
  page.on('request', request => request.url().startsWith('file:') || request.url().startsWith('blob:') || trouble.push(`asks for ${request.url()}`));
  const start = performance.now();
  await page.goto(pathToFileURL(at(`${prefix}.html`)).href);
  await page.waitForSelector('#name h2');
  const seconds = (performance.now() - start) / 1000;
  const close = async () => {
    assert.equal(await page.evaluate(() => window.harmed), undefined, 'a title was run');
    assert.deepEqual(trouble, []);
    await context.close();
  };
  return { page, seconds, close };
}

const queue = page => page.$$eval('#queue button', buttons => buttons.map(button => button.textContent));
const heading = page => page.textContent('#name h2');
const artists = page => page.$$eval('#name section h3', titles => titles.filter(title => title.textContent.startsWith('Artist ')).length);

async function exported(page, to) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('e')]);
  await download.saveAs(to);
  return readFileSync(to, 'utf8').trim().split('\n').map(line => JSON.parse(line));
}

// Every decision by keyboard, then what the command line makes of them.
async function decisions() {
  catalogue('keys', [['One', [9, 8]], ['Two', [7, 6]], ['Three', [5, 4]], ['Four', [3, 3]], ['Five', [2]]]);
  const { page, close } = await open('keys');
  const order = (await queue(page)).map(text => text.match(/^(One|Two|Three|Four|Five)/)[0]);
  assert.equal(order.length, 5);
  assert.equal(await heading(page), order[0]);
  await page.screenshot({ path: at('keys.png') });
  await page.keyboard.press('a'); // accept the first
  assert.equal(await heading(page), order[1]);
  await page.keyboard.press('m'); // the second is one artist
  await page.keyboard.press('x'); // skip the third
  await page.keyboard.press('m'); // the fourth too, and take it back
  await page.keyboard.press('u');
  assert.equal(await heading(page), order[3]);
  assert.match(await page.textContent('#progress'), /^3 of 5/);
  const before = await artists(page);
  for (let press = 0; press < 40 && await artists(page) <= before; press++) {
    await page.keyboard.press('['); // lower the cut until it gives one more
    await page.waitForTimeout(200);
  }
  const cut = await artists(page);
  assert.ok(cut > before, 'the cut moves by keyboard');
  await page.keyboard.press('s');
  await page.keyboard.press('k');
  await page.keyboard.press('j');
  assert.equal(await heading(page), order[4]);
  await page.locator('#name section:last-of-type select').first().focus();
  await page.selectOption('#name section:last-of-type select >> nth=0', { label: 'new' }); // one track moved by hand
  await page.locator('#name').focus();
  await page.keyboard.press('a');
  assert.match(await page.textContent('#progress'), /^5 of 5/);
  const lines = await exported(page, at('keys.jsonl'));
  await page.screenshot({ path: at('keys-decided.png') });
  await close();
  const of = Object.fromEntries(lines.map(line => [line.name, line]));
  assert.equal(of[order[1]].clusters.length, 1);
  assert.deepEqual(of[order[2]], { decision: 'skip', name: order[2] });
  assert.equal(of[order[3]].clusters.length, cut);
  const applied = run('apply', 'keys.labels.csv', 'keys.jsonl', '--out', 'keys.applied.csv');
  assert.deepEqual([applied.decisions, applied.skipped, applied.unknown], [4, 1, 0]);
  run('split', 'keys', '--distance', '2', '--decisions', 'keys.jsonl', '--out', 'keys.again.csv');
  for (const table of ['keys.applied.csv', 'keys.again.csv']) {
    const rows = readFileSync(at(table), 'utf8').trim().split('\n').slice(1).map(line => line.split(','));
    const cluster = Object.fromEntries(rows.map(row => [row[0], row[2]]));
    for (const line of lines.filter(line => line.decision === 'lock')) {
      line.clusters.forEach((tracks, number) => tracks.forEach(track => assert.equal(cluster[track], String(number + 1), `${table}: ${track}`)));
    }
  }
}

async function dragging() {
  const { page, close } = await open('keys');
  const box = await page.locator('#tree').boundingBox(), before = await artists(page);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + 1, { steps: 5 });
  await page.mouse.up();
  await page.waitForTimeout(300);
  assert.equal(await artists(page), 1, `one artist above all merges, ${before} before`);
  await page.fill('#filter', 'fi');
  assert.deepEqual((await queue(page)).map(text => text.slice(0, 4)), ['Five']);
  await close();
}

async function audio() {
  const { page, close } = await open('keys');
  assert.ok(await page.$$eval('audio', players => players.length > 4 && players.every(player => player.preload === 'none' && player.readyState === 0)));
  const heard = await page.$eval('audio', async player => { player.muted = true; await player.play(); await new Promise(done => setTimeout(done, 400)); return [player.currentTime, player.duration]; });
  assert.ok(heard[0] > 0 && Math.abs(heard[1] - 1) < .1, `audio plays: ${heard}`);
  await close();
}

async function twoTracks() {
  catalogue('two', [['Pair', [1, 1]]]);
  const { page, close } = await open('two');
  assert.equal(await artists(page), 2);
  await page.screenshot({ path: at('two.png') });
  await page.keyboard.press('m');
  assert.equal((await exported(page, at('two.jsonl')))[0].clusters[0].length, 2);
  await close();
}

async function manyTracks() {
  catalogue('many', [['Crowd', [700, 500, 400, 200, 120, 50, 20, 10]]]);
  const { page, seconds, close } = await open('many');
  const before = await artists(page);
  assert.ok(before > 50, 'an artist each that the cut made');
  const elements = await page.evaluate(() => document.querySelectorAll('*').length);
  assert.ok(elements < 20_000, `${elements} elements make a page slow`);
  await page.screenshot({ path: at('many.png') });
  const start = performance.now();
  await page.keyboard.press('[');
  await page.waitForTimeout(160);
  await page.waitForFunction(before => [...document.querySelectorAll('#name section h3')].filter(h => h.textContent.startsWith('Artist ')).length !== before, before);
  const moved = (performance.now() - start) / 1000;
  await page.keyboard.press('s');
  const [line] = await exported(page, at('many.jsonl'));
  assert.equal(line.clusters.flat().length, 2000);
  assert.equal(run('apply', 'many.labels.csv', 'many.jsonl', '--out', 'many.applied.csv').unknown, 0);
  await close();
  console.log(`2,000 tracks, ${elements} elements: shown in ${seconds.toFixed(1)} s, the cut moved in ${moved.toFixed(1)} s`);
}

async function hostileTitles() {
  catalogue('hostile', HOSTILE.map(name => [name, [3, 2]]), HOSTILE);
  const { page, close } = await open('hostile', { colorScheme: 'dark' });
  assert.equal((await queue(page)).length, HOSTILE.length);
  assert.equal(await page.evaluate(() => document.querySelectorAll('img, svg, iframe, object, article script, nav script').length), 0);
  assert.ok((await page.title()).includes('</title><script>'));
  await page.screenshot({ path: at('hostile.png') });
  for (let name = 0; name < HOSTILE.length; name++) await page.keyboard.press('a');
  const lines = await exported(page, at('hostile.jsonl'));
  assert.deepEqual(lines.map(line => line.name).sort(), HOSTILE.slice().sort());
  assert.equal(run('apply', 'hostile.labels.csv', 'hostile.jsonl', '--out', 'hostile.applied.csv').unknown, 0);
  const wide = await page.evaluate(() => document.body.scrollWidth <= window.innerWidth);
  assert.ok(wide, 'long titles wrap');
  await close();
}

async function narrowScreen() {
  const { page, close } = await open('keys', { viewport: { width: 420, height: 800 } });
  assert.ok(await page.evaluate(() => document.body.scrollWidth <= window.innerWidth), 'fits a narrow screen');
  await page.screenshot({ path: at('narrow.png') });
  await close();
}

for (const part of [decisions, dragging, audio, twoTracks, manyTracks, hostileTitles, narrowScreen]) {
  await part();
  console.log(`${part.name}: as it should be`);
}
await browser.close();
