'use strict';
// Titles reach the page as text nodes only. State: which name is shown, where its cut is, what was decided.
const data = JSON.parse(document.getElementById('data').textContent);
const SHOWN = 50, ALL_SHOWN = 300; // tracks of an artist, of all artists of a name
const PALETTE = ['#3f6fd8', '#e07b2a', '#2c9c69', '#c43d7d', '#8a5fd3', '#b8921a', '#1c9bb0', '#a65a33', '#71851f', '#d64b4b'];
const state = { at: 0, cut: null, assigned: null, decisions: new Map(), undo: [], opened: new Map() };
const $ = id => document.getElementById(id);

function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties || {})) {
    if (key in element) element[key] = value; else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}
const colour = cluster => PALETTE[cluster - 1] || `hsl(${cluster * 137.5 % 360} 45% 50%)`;
const swatch = cluster => { const s = make('span', { className: 'swatch' }); s.style.background = colour(cluster); return s; };
const plural = (n, what) => `${n} ${what}${n === 1 ? '' : 's'}`;
const percent = x => `${Math.round(100 * x)} %`;
// Without a calibration: nearer to another artist's tracks than to its own.
const isUnsure = track => track.standing ? track.standing === 'unsure' : track.confidence < 0.5;

// The cluster of every track when all merges up to a height are made, numbered from 1 by size.
function cutAt(name, height) {
  const n = name.tracks.length, root = Array.from({ length: n + name.merges.length }, (_, i) => i);
  for (let i = name.merges.length - 1; i >= 0; i--) {
    const [left, right, h] = name.merges[i];
    if (h <= height) { root[left] = root[n + i]; root[right] = root[n + i]; }
  }
  const sizes = new Map();
  for (let i = 0; i < n; i++) sizes.set(root[i], (sizes.get(root[i]) || 0) + 1);
  const order = [...sizes.keys()].sort((a, b) => sizes.get(b) - sizes.get(a));
  const number = new Map(order.map((key, i) => [key, i + 1]));
  return Array.from({ length: n }, (_, i) => number.get(root[i]));
}

function members(assigned) {
  const clusters = new Map();
  assigned.forEach((cluster, track) => clusters.has(cluster) ? clusters.get(cluster).push(track) : clusters.set(cluster, [track]));
  return new Map([...clusters].sort((a, b) => a[0] - b[0]));
}

function visible() {
  const text = $('filter').value.toLowerCase();
  return data.names.map((_, i) => i).filter(i => data.names[i].name.toLowerCase().includes(text));
}

function drawQueue() {
  const shown = visible();
  $('queue').replaceChildren(...shown.slice(0, 500).map(i => {
    const name = data.names[i], decision = state.decisions.get(i);
    const artists = new Set(name.tracks.map(t => t.cluster)).size;
    const note = decision ? `decided: ${decision.action}` : `${plural(name.tracks.length, 'track')}, ${plural(artists, 'artist')}, ${percent(name.confidence)} sure`;
    const bar = make('span', { className: 'sureness' }, make('i'));
    bar.firstChild.style.width = decision ? '100%' : percent(name.confidence).replace(' ', '');
    return make('li', {}, make('button', { type: 'button', className: decision ? 'decided' : '', ariaCurrent: String(i === state.at), onclick: () => show(i) },
      name.name, make('small', {}, note), bar));
  }));
  $('progress').textContent = `${state.decisions.size} of ${data.names.length} names decided`;
  $('done').value = state.decisions.size / Math.max(1, data.names.length);
}

function show(i) {
  if (!data.names.length) return;
  state.at = i;
  const name = data.names[i], decision = state.decisions.get(i);
  state.cut = data.threshold;
  state.opened.clear();
  $('name').scrollTo(0, 0);
  state.assigned = decision && decision.assigned ? decision.assigned.slice() : name.tracks.map(t => t.cluster);
  drawQueue();
  drawName();
  $('queue').querySelector('[aria-current=true]')?.scrollIntoView({ block: 'nearest' });
}

function player(track) {
  return track.audio ? make('audio', { controls: true, preload: 'none', src: track.audio, ariaLabel: `Play ${track.title}` }) : make('span', { className: 'soft' }, 'no audio');
}

// Hundreds of players would make a page slow: one is made when it is asked for.
function playButton(track) {
  if (!track.audio) return player(track);
  const play = event => { const audio = player(track); event.target.replaceWith(audio); audio.play(); };
  return make('button', { type: 'button', className: 'play', ariaLabel: `Play ${track.title}`, onclick: play }, '▶');
}

function trackRow(name, i) {
  const track = name.tracks[i];
  const select = make('select', { ariaLabel: `Artist of ${track.title}`, onchange: event => {
    remember(); state.assigned[i] = Number(event.target.value); drawName();
  } }, new Option(String(state.assigned[i]), String(state.assigned[i])));
  // A choice for every track and artist would be millions: they are made when they are asked for.
  select.onfocus = select.onpointerdown = () => {
    if (select.length > 1) return;
    const last = Math.max(...state.assigned);
    const choices = Array.from({ length: last + 1 }, (_, k) => new Option(k < last ? String(k + 1) : 'new', String(k + 1), false, k + 1 === state.assigned[i]));
    select.replaceChildren(...choices);
  };
  const sure = track.standing === 'human' ? make('td', { className: 'human' }, 'decided') : make('td', { className: isUnsure(track) ? 'number unsure' : 'number' }, percent(track.confidence));
  const stable = track.stability === null ? [] : [make('td', { className: 'number' }, percent(track.stability))];
  return make('tr', {}, make('td', {}, swatch(state.assigned[i]), select), make('td', {}, track.title), make('td', { className: 'soft' }, track.album),
    make('td', { className: 'number soft' }, track.year), sure, ...stable, make('td', {}, playButton(track)));
}

function trackTable(name, cluster, tracks, fair) {
  const shown = state.opened.get(cluster) || fair, rest = tracks.length - shown;
  const stable = name.tracks.some(track => track.stability !== null) ? ['Stability'] : [];
  const head = make('tr', {}, ...['Artist', 'Title', 'Album', 'Year', data.calibrated ? 'Probability' : 'Clearness', ...stable, 'Listen'].map(text => make('th', { scope: 'col' }, text)));
  const table = make('div', { className: 'scroll' }, make('table', {}, make('thead', {}, head), make('tbody', {}, ...tracks.slice(0, shown).map(i => trackRow(name, i)))));
  const more = () => { state.opened.set(cluster, shown + 4 * SHOWN); drawName(); };
  return rest > 0 ? [table, make('p', {}, make('button', { type: 'button', onclick: more }, `Show ${Math.min(rest, 4 * SHOWN)} of ${rest} more`))] : [table];
}

function artistSection(name, cluster, tracks, fair) {
  const albums = new Map();
  tracks.forEach(i => { const t = name.tracks[i]; if (t.album) albums.set(t.album, t.year); });
  const list = [...albums].slice(0, 12).map(([album, year]) => year ? `${album} (${year})` : album).join(' · ');
  const ordered = tracks.slice().sort((a, b) => name.tracks[a].confidence - name.tracks[b].confidence);
  return make('section', { className: 'card' }, make('h3', {}, swatch(cluster), `Artist ${cluster}: ${plural(tracks.length, 'track')}`), make('p', { className: 'soft' }, list || 'no albums known'), ...trackTable(name, cluster, ordered, fair));
}

function why(name) {
  const e = name.explanation, t = i => `“${name.tracks[i].title}”`, say = text => items.push(make('li', {}, text)), items = [];
  if (e.made !== null && e.not_made !== null && e.made < e.not_made) say(`Any cut between ${e.made.toFixed(3)} and ${e.not_made.toFixed(3)} gives these artists`);
  e.across.slice(0, 3).forEach(a => say(`Nearest across a border: ${t(a.tracks[0])} and ${t(a.tracks[1])}, ${a.distance.toFixed(3)} apart`));
  e.albums.slice(0, 8).forEach(a => {
    const where = a.clusters.map(([c, n]) => `${n} in artist ${c}`).join(', ');
    say(`Album “${a.album}”: ${where}${a.carries ? ' — it is all that this artist has: perhaps the sound of an album' : ' — lies across a border'}`);
  });
  if (e.several_artists.length) say(`Several artists by their titles or albums: ${e.several_artists.slice(0, 8).map(t).join(', ')}`);
  return items.length ? [make('section', { className: 'card' }, make('h3', {}, 'Why'), make('ul', {}, ...items))] : [];
}

function listen(name) {
  const rows = [...name.explanation.medoids.map(([cluster, i]) => [`typical of ${cluster}`, i]), ...name.explanation.border.map(i => ['near the border', i])];
  if (!rows.length) return [];
  return [make('section', { className: 'card' }, make('h3', {}, 'Listen first'), make('div', { className: 'scroll' }, make('table', {}, make('tbody', {}, ...rows.slice(0, 24).map(([what, i]) =>
    make('tr', {}, make('td', {}, swatch(state.assigned[i]), what), make('td', {}, name.tracks[i].title), make('td', { className: 'soft' }, name.tracks[i].album), make('td', {}, player(name.tracks[i]))))))))];
}

const topOf = name => name.merges.length ? name.merges[name.merges.length - 1][2] : 1;

function drawName() {
  const name = data.names[state.at], clusters = members(state.assigned), top = topOf(name);
  const fair = Math.max(3, Math.min(SHOWN, Math.round(ALL_SHOWN / clusters.size)));
  const slid = isHeld => event => moveCut(Number(event.target.value) / 1000 * 1.05 * top, isHeld);
  const slider = make('input', { type: 'range', id: 'cut', min: '0', max: '1000', value: sliderOf(name), ariaLabel: 'Height of the cut', oninput: slid(true), onchange: slid(false) });
  const canvas = (id, label) => { const c = make('canvas', { id, role: 'img' }); c.setAttribute('aria-label', label); return c; };
  const figure = (c, caption, ...more) => make('figure', { className: 'card' }, c, ...more, make('figcaption', {}, caption));
  const button = (text, key, action) => make('button', { type: 'button', className: key === 'a' ? 'first' : '', onclick: action }, text, make('kbd', {}, key));
  const fact = (value, what) => make('span', {}, make('b', {}, value), ` ${what}`);
  const split = (n, what) => fact(String(n), plural(n, what).split(' ')[1]);
  $('name').replaceChildren(
    make('div', {}, make('h2', {}, name.name),
      make('div', { className: 'facts' }, split(name.tracks.length, 'track'), split(clusters.size, 'artist'), fact(percent(name.confidence), 'sure on average'), ...data.calibrated ? [fact(`about ${name.impact.toFixed(name.impact < 10 ? 1 : 0)}`, 'likely misplaced')] : []),
      make('div', { className: 'actions' }, button('Accept as shown', 'a', () => decide('accept')), button('All one artist', 'm', () => decide('merge')),
        button('Split at the cut', 's', () => decide('split')), button('Skip', 'x', () => decide('skip')), button('Undo', 'u', undo))),
    figure(canvas('tree', 'Dendrogram'), 'Ward distance. Drag the cut here or on the slider.', slider),
    make('div', { className: 'plots' }, figure(canvas('map', 'Map'), 'Two principal components; hollow: unsure. Point at a track to see its title.'),
      ...name.distances ? [figure(canvas('matrix', 'Distances'), 'Distances in the order of the tree; dark is near')] : []),
    ...why(name), ...listen(name), ...[...clusters].map(([cluster, tracks]) => artistSection(name, cluster, tracks, fair)));
  drawPlots();
}

function drawPlots() {
  const name = data.names[state.at];
  if (!name) return;
  drawTree(name); drawMap(name);
  if (name.distances) drawMatrix(name);
}

// Sets the pixels of a canvas to those of the screen; lengths below are multiples of `unit`.
function surface(id, ratio) {
  const canvas = $(id), unit = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * unit);
  canvas.height = Math.round((ratio ? canvas.clientWidth * ratio : canvas.clientHeight) * unit);
  const g = canvas.getContext('2d');
  g.font = `${12 * unit}px system-ui, sans-serif`;
  return { canvas, g, unit, w: canvas.width, h: canvas.height };
}
const theme = property => getComputedStyle(document.documentElement).getPropertyValue(property).trim();

const sliderOf = name => String(Math.round(1000 * Math.min(1, state.cut / (1.05 * topOf(name)))));

// While a cut is being dragged only the plots follow: what is held must not be replaced.
function moveCut(height, isHeld) {
  const name = data.names[state.at];
  state.cut = Math.max(0, height);
  state.assigned = cutAt(name, state.cut);
  if (isHeld) { $('cut').value = sliderOf(name); drawPlots(); return; }
  const focused = document.activeElement?.id;
  drawName();
  if (focused === 'cut') $('cut').focus();
}

function drawTree(name) {
  const { canvas, g, unit, w, h } = surface('tree', .3), n = name.tracks.length, top = topOf(name) || 1;
  const left = 42 * unit, strip = 10 * unit, base = h - strip - 4 * unit, high = 12 * unit;
  const x = new Float64Array(n + name.merges.length), y = new Float64Array(n + name.merges.length), of = new Array(n + name.merges.length);
  const up = height => base - (base - high) * height / (1.05 * top), width = (w - left) / n;
  const rough = 10 ** Math.floor(Math.log10(top)), tick = [.2, .5, 1, 2].map(f => f * rough).find(step => top / step <= 6) || 5 * rough;
  g.textBaseline = 'middle'; g.textAlign = 'right'; g.fillStyle = theme('--soft'); g.strokeStyle = theme('--line'); g.lineWidth = unit;
  for (let height = 0; height <= 1.05 * top; height += tick) {
    g.fillText(String(Number(height.toPrecision(3))), left - 8 * unit, up(height));
    g.beginPath(); g.moveTo(left, up(height)); g.lineTo(w, up(height)); g.stroke();
  }
  name.leaves.forEach((leaf, i) => { x[leaf] = left + (i + .5) * width; y[leaf] = base; of[leaf] = state.assigned[leaf]; });
  g.lineWidth = (n > 400 ? .75 : 1.5) * unit;
  name.merges.forEach(([a, b, height], i) => {
    const node = n + i, t = up(height);
    of[node] = of[a] === of[b] ? of[a] : null;
    g.strokeStyle = of[node] === null ? theme('--soft') : colour(of[node]);
    g.beginPath(); g.moveTo(x[a], y[a]); g.lineTo(x[a], t); g.lineTo(x[b], t); g.lineTo(x[b], y[b]); g.stroke();
    x[node] = (x[a] + x[b]) / 2; y[node] = t;
  });
  name.leaves.forEach((leaf, i) => { g.fillStyle = colour(state.assigned[leaf]); g.fillRect(left + i * width, h - strip, Math.max(1, width - (n < 200 ? unit : 0)), strip); });
  const line = Math.max(high, up(state.cut)), label = `cut ${state.cut.toFixed(3)}`;
  g.strokeStyle = g.fillStyle = '#d92d20'; g.lineWidth = 1.5 * unit; g.setLineDash([6 * unit, 4 * unit]);
  g.beginPath(); g.moveTo(left, line); g.lineTo(w, line); g.stroke(); g.setLineDash([]);
  g.fillRect(w - g.measureText(label).width - 12 * unit, line - 9 * unit, g.measureText(label).width + 12 * unit, 18 * unit);
  g.fillStyle = '#fff'; g.fillText(label, w - 6 * unit, line);
  const drag = isHeld => event => { const box = canvas.getBoundingClientRect(); moveCut((base - (event.clientY - box.top) * h / box.height) / (base - high) * 1.05 * top, isHeld); };
  canvas.onpointerdown = event => { canvas.setPointerCapture(event.pointerId); canvas.onpointermove = drag(true); drag(true)(event); };
  canvas.onpointerup = event => { if (canvas.onpointermove) { canvas.onpointermove = null; drag(false)(event); } };
}

function drawMap(name) {
  const { canvas, g, unit, w, h } = surface('map');
  const size = (name.tracks.length > 500 ? 2.5 : 5) * unit, edge = 14 * unit;
  const place = track => [w / 2 + track.x * (w / 2 - edge), h / 2 - track.y * (h / 2 - edge)];
  g.lineWidth = 1.5 * unit;
  name.tracks.forEach((track, i) => {
    g.beginPath(); g.arc(...place(track), size, 0, 7);
    g.strokeStyle = g.fillStyle = colour(state.assigned[i]);
    if (isUnsure(track)) g.stroke(); else { g.globalAlpha = .85; g.fill(); g.globalAlpha = 1; }
  });
  canvas.onpointermove = event => {
    const box = canvas.getBoundingClientRect(), px = (event.clientX - box.left) * w / box.width, py = (event.clientY - box.top) * h / box.height;
    const apart = track => { const [x, y] = place(track); return Math.hypot(x - px, y - py); };
    const nearest = name.tracks.reduce((best, track) => apart(track) < apart(best) ? track : best);
    canvas.title = apart(nearest) < 16 * unit ? nearest.title : '';
  };
}

function drawMatrix(name) {
  const { g, unit, w, h } = surface('matrix'), n = name.tracks.length, image = new ImageData(n, n);
  let at = 0;
  const near = [24, 33, 74], far = [246, 247, 250];
  const put = (row, column, value) => { for (let k = 0; k < 3; k++) image.data[4 * (row * n + column) + k] = near[k] + (far[k] - near[k]) * value / 255; image.data[4 * (row * n + column) + 3] = 255; };
  for (let i = 0; i < n; i++) { put(i, i, 0); for (let j = i + 1; j < n; j++) { const v = name.distances[at++]; put(i, j, v); put(j, i, v); } }
  const small = make('canvas', { width: n, height: n }); small.getContext('2d').putImageData(image, 0, 0);
  const strip = 8 * unit, size = Math.min(w, h) - strip, left = (w - size - strip) / 2 + strip;
  g.imageSmoothingEnabled = false; g.drawImage(small, left, strip, size, size);
  name.leaves.forEach((leaf, i) => {
    g.fillStyle = colour(state.assigned[leaf]);
    g.fillRect(left + i * size / n, 0, Math.ceil(size / n), strip - 2 * unit);
    g.fillRect(left - strip, strip + i * size / n, strip - 2 * unit, Math.ceil(size / n));
  });
}

// Undo goes back over decisions and over changes of single tracks.
function remember() {
  state.undo.push({ at: state.at, assigned: state.assigned.slice(), decision: state.decisions.get(state.at) });
}

function decide(action) {
  if (!data.names.length) return;
  const name = data.names[state.at];
  remember();
  if (action === 'merge') state.assigned = name.tracks.map(() => 1);
  if (action === 'split') state.assigned = cutAt(name, state.cut);
  state.decisions.set(state.at, { action, assigned: action === 'skip' ? null : state.assigned.slice() });
  const next = data.names.findIndex((_, i) => i > state.at && !state.decisions.has(i));
  show(next < 0 ? state.at : next);
}

function undo() {
  const last = state.undo.pop();
  if (!last) return;
  if (last.decision) state.decisions.set(last.at, last.decision); else state.decisions.delete(last.at);
  show(last.at);
  state.assigned = last.assigned;
  drawName();
}

function decisionLines() {
  return [...state.decisions].sort((a, b) => a[0] - b[0]).map(([i, { action, assigned }]) => {
    const name = data.names[i];
    if (action === 'skip') return JSON.stringify({ decision: 'skip', name: name.name });
    const clusters = [...members(assigned).values()].map(tracks => tracks.map(track => name.tracks[track].id));
    return JSON.stringify({ decision: 'lock', name: name.name, clusters });
  }).join('\n') + '\n';
}

function exportDecisions() {
  const link = make('a', { href: URL.createObjectURL(new Blob([decisionLines()], { type: 'application/x-ndjson' })), download: 'decisions.jsonl' });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function step(by) {
  const shown = visible(), place = shown.indexOf(state.at);
  if (shown.length) show(shown[Math.min(shown.length - 1, Math.max(0, place + by))]);
}

function nudge(by) {
  const name = data.names[state.at], heights = name.merges.map(merge => merge[2]);
  const made = heights.filter(height => height <= state.cut).length + by;
  if (made < 0 || made > heights.length) return;
  const low = made ? heights[made - 1] : 0, high = made < heights.length ? heights[made] : 1.05 * low || 1;
  moveCut((low + high) / 2);
}

const keys = { a: () => decide('accept'), m: () => decide('merge'), s: () => decide('split'), x: () => decide('skip'), u: undo,
  j: () => step(1), k: () => step(-1), e: exportDecisions, '[': () => nudge(-1), ']': () => nudge(1) };
document.addEventListener('keydown', event => {
  const typing = ['INPUT', 'SELECT', 'TEXTAREA'].includes(event.target.tagName) && event.target.type !== 'range';
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
window.addEventListener('resize', drawPlots);
$('filter').addEventListener('input', drawQueue);
$('export').addEventListener('click', exportDecisions);
window.addEventListener('beforeunload', event => { if (state.decisions.size) event.preventDefault(); });
if (data.names.length) show(0);
