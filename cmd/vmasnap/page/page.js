// The page: its data, the lists of processes and files, and the process that was chosen.

const data = JSON.parse(document.getElementById('data').textContent);
const byId = (id) => document.getElementById(id);
const span = data.to - data.from;
const told = ['there since before', 'found by a walk at', 'mapped at', 'copied by a fork at'];

// A file, a process and a mapping as the page works with them.
const files = data.files.map((f, index) => ({
  ...f, index, processes: 0, mappings: 0, bytes: 0, hay: `${f.path} ${f.build_id}`.toLowerCase(),
}));

function sizeOf([, start, end]) {
  if (end.length > 12) return Number(BigInt(`0x${end}`) - BigInt(`0x${start}`));
  return parseInt(end, 16) - parseInt(start, 16);
}

// mapping makes an object of a list of the data, clipped to the time from a to b.
function mapping(list, a, b) {
  const [file, start, end, offset, perm, from, to, how] = list;
  const m = {
    file: files[file], start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), range: `${start}-${end}`, size: sizeOf(list), offset,
    perm: data.perms[perm], from: Math.max(from, a), to: to < 0 ? b : Math.min(to, b),
  };
  m.tell = () => [
    m.file.path + (m.file.deleted ? ' (deleted)' : ''),
    `${m.range} ${m.perm}, ${bytes(m.size)}, offset ${offset}`,
    `build ID ${m.file.build_id}`,
    `device ${m.file.dev}, inode ${m.file.inode}`,
    `${told[how]} ${seconds(from, span)}, ${to < 0 ? 'still there at the end' : `until ${seconds(to, span)}`}`,
  ].join('\n');
  return m;
}

// there reports whether a mapping is there at time t. At its end a process has what it had last.
const there = (process, t, from, to) => from <= t && (to < 0 || to > t || (t === process.ended && to === t));

const processes = data.processes.map((p) => {
  const process = { ...p, bytes: 0, mappings: 0, hay: `${p.pid} ${p.comm} ${p.exe}`.toLowerCase() };
  process.last = p.ended < 0 ? data.to : p.ended;
  process.state = p.ended < 0 ? p.walk : `${p.exited ? 'exited' : 'gone'} at ${seconds(p.ended, span)}`;
  const mapped = new Set();
  const spaces = new Set(p.had.map(([, space]) => space));
  for (const space of spaces) for (const list of data.spaces[space].mappings) mapped.add(list[0]);
  for (const list of data.spaces[p.had[p.had.length - 1][1]].mappings) {
    if (!there(process, process.last, list[5], list[6])) continue;
    process.mappings++;
    process.bytes += sizeOf(list);
  }
  process.files = Array.from(mapped);
  for (const file of process.files) files[file].processes++;
  return process;
});
for (const space of data.spaces) {
  for (const list of space.mappings) {
    files[list[0]].mappings++;
    files[list[0]].bytes += sizeOf(list);
  }
}

document.title = `vmasnap ${data.title}`;
byId('title').textContent = data.title;
for (const { label, text, level } of data.head) byId('head').append(el('dt', {}, label), el('dd', { class: level || '' }, text));

// Lists has the tables of processes and of files, the filter, and the file of which only the
// processes are shown.
const Lists = {
  tab: 'processes',
  only: null,

  tabs: {
    processes: {
      label: 'Processes', unit: 'process', all: processes, choose: (p) => new Choice(p), sort: 3, descending: true,
      columns: [
        { name: 'pid', number: true, text: (p) => String(p.pid), value: (p) => p.pid },
        { name: 'comm', text: (p) => p.comm },
        { name: 'state', text: (p) => p.state },
        { name: 'mappings', number: true, text: (p) => count(p.mappings), value: (p) => p.mappings },
        { name: 'size', number: true, text: (p) => bytes(p.bytes), value: (p) => p.bytes },
        { name: 'executable', path: 34, text: (p) => p.exe },
      ],
    },
    files: {
      label: 'Files', unit: 'file', all: files, choose: (f) => Lists.show('processes', f), sort: 1, descending: true,
      columns: [
        { name: 'file', path: 38, text: (f) => f.path + (f.deleted ? ' (deleted)' : '') },
        { name: 'processes', number: true, text: (f) => count(f.processes), value: (f) => f.processes },
        { name: 'mappings', number: true, text: (f) => count(f.mappings), value: (f) => f.mappings },
        { name: 'size', number: true, text: (f) => bytes(f.bytes), value: (f) => f.bytes },
        { name: 'build ID', mono: true, text: (f) => f.build_id },
      ],
    },
  },

  // show makes the table of a tab; with a file, of the processes that map it.
  show(tab, only = null) {
    Object.assign(this, { tab, only });
    const { label, columns, ...options } = this.tabs[tab];
    for (const name of Object.keys(this.tabs)) {
      const button = byId(`tab-${name}`);
      button.setAttribute('aria-selected', String(name === tab));
      button.setAttribute('tabindex', name === tab ? '0' : '-1');
    }
    byId('list').setAttribute('aria-labelledby', `tab-${tab}`);
    byId('only').hidden = !only;
    byId('only-file').textContent = only ? only.path : '';
    if (only) byId('filter').value = '';
    this.table = new Table(byId('list'), label, columns, options);
    if (tab === 'processes' && Choice.now) this.table.chosen = Choice.now.process;
    this.filter();
  },

  filter() {
    const wanted = byId('filter').value.trim().toLowerCase();
    const { all } = this.tabs[this.tab];
    const matching = files.map((f) => f.hay.includes(wanted));
    const match = this.tab === 'files' ? (f) => matching[f.index] : (p) => p.hay.includes(wanted) || p.files.some((f) => matching[f]);
    const rows = this.only ? all.filter((p) => p.files.includes(this.only.index)) : all;
    this.table.set(wanted ? rows.filter(match) : rows, all.length);
  },
};

// Choice is the process that was chosen, and the time of which its picture is.
class Choice {
  constructor(process) {
    Choice.now = this;
    this.process = process;
    this.from = Math.max(process.from, data.from);
    this.to = Math.max(process.last, this.from);
    this.gather();
    this.build();
    this.draw();
    this.at(this.to);
    if (innerWidth < 1100) {
      byId('process').scrollIntoView();
      byId('process').focus({ preventScroll: true });
    }
  }

  // gather collects what was mapped, in each address space while the process had it.
  gather() {
    const { process } = this;
    this.mappings = [];
    this.doubts = data.doubts.map(([a, b]) => [a, b < 0 ? this.to : b]);
    this.left = 0;
    this.tenures = process.had.map(([from, index], i) => {
      const space = data.spaces[index];
      const until = i + 1 < process.had.length ? process.had[i + 1][0] : this.to;
      this.left += space.left || 0;
      for (const list of space.mappings) {
        if (list[5] <= until && (list[6] < 0 || list[6] >= from)) this.mappings.push(mapping(list, from, until));
      }
      for (const [a, b] of space.doubts || []) {
        if (a <= until && (b < 0 || b > from)) this.doubts.push([Math.max(a, from), b < 0 ? until : Math.min(b, until)]);
      }
      return { from, space };
    });
    this.mappings.sort((a, b) => a.from - b.from || (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
    this.doubts = this.doubts.filter(([a, b]) => a <= this.to && b >= this.from);
  }

  build() {
    const { process: p } = this;
    const facts = [
      ['executable', p.exe || 'unknown'],
      ['parent', p.ppid ? String(p.ppid) : 'none, or unknown'],
      ['walk', p.known ? p.walk : `${p.walk}: what it has mapped is not known`, p.known ? '' : 'warn'],
      ['lived', `${p.born ? 'born at' : 'first seen at'} ${seconds(p.from, span)}, ${p.ended < 0 ? 'there at the end' : p.state}`],
    ];
    const missing = (n, what) => { if (n > 0) facts.push(['left out', `${several(n, what)}: too many for the page`, 'warn']); };
    missing(this.left, 'mapping');
    missing(p.marks_left || 0, 'earlier event');
    missing(p.had_left || 0, 'earlier address space');
    if (this.doubts.length > 0) facts.push(['uncertain', `${several(this.doubts.length, 'interval')} in which statements were lost: shaded in the time line`, 'warn']);

    this.slider = el('input', { type: 'range', min: 0, max: 1000, value: 1000, 'aria-label': 'Time of the picture' });
    this.slider.addEventListener('input', () => this.at(this.from + (this.to - this.from) * this.slider.value / 1000));
    this.when = el('output', {});
    this.picture = el('figure', { id: 'picture' });
    this.timeline = el('figure', { id: 'timeline' });
    const list = el('div', { id: 'mappings' });
    byId('process').replaceChildren(
      el('h2', {}, `${p.pid} ${p.comm}`),
      el('dl', {}, ...facts.flatMap(([name, text, level]) => [el('dt', {}, name), el('dd', { class: level || '' }, text)])),
      el('h3', {}, 'Time line'), this.timeline,
      el('h3', {}, 'Address space'), el('div', { class: 'when' }, this.when, this.slider), this.picture,
      el('h3', {}, 'Mappings'), list,
    );
    this.table = new Table(list, 'Mappings', [
      { name: 'address', mono: true, text: (m) => m.range, value: (m) => m.start },
      { name: 'size', number: true, text: (m) => bytes(m.size), value: (m) => m.size },
      { name: 'offset', mono: true, number: true, text: (m) => m.offset, value: (m) => BigInt(`0x${m.offset}`) },
      { name: 'prot', mono: true, text: (m) => m.perm },
      { name: 'file', path: 50, text: (m) => m.file.path + (m.file.deleted ? ' (deleted)' : '') },
      { name: 'build ID', mono: true, text: (m) => m.file.build_id },
    ], { unit: 'mapping', none: 'nothing is mapped' });
  }

  // draw draws the time line, as wide as there is room.
  draw() {
    this.width = Math.max(280, Math.floor(this.timeline.clientWidth));
    const { process: p } = this;
    const line = drawTimeline({
      from: this.from, to: this.to, mappings: this.mappings, doubts: this.doubts, marks: p.marks,
      cuts: p.marks.filter((m) => m.kind === 'exec').map((m) => m.time),
    }, this.width, (t) => this.at(t));
    this.setNow = line.setNow;
    const mark = (kind) => svg('svg', { width: 14, height: 14, viewBox: '-7 -7 14 14', 'aria-hidden': 'true' }, svg('path', { class: `mark ${kind}`, d: marks[kind] }));
    const box = (fill) => svg('svg', { width: 20, height: 12, 'aria-hidden': 'true' }, svg('rect', { class: 'lane', width: 20, height: 12 }), svg('rect', { class: fill, width: 20, height: 12 }));
    const key = (icon, text) => el('li', {}, icon, text);
    const legend = ['exec', 'fork', 'exit', 'walk'].filter((kind) => p.marks.some((m) => m.kind === kind)).map((kind) => key(mark(kind), kind));
    if (this.mappings.some((m) => m.file.deleted)) legend.push(key(box('hatch'), 'deleted file'));
    if (this.doubts.length > 0) legend.push(key(box('doubt'), 'uncertain'));
    legend.push(el('li', {}, `${line.byFile ? 'a lane is a file' : 'a lane is a mapping'}, a colour a file; click for the address space at a time`));
    if (line.left > 0) legend.push(el('li', { class: 'warn' }, `${several(line.left, 'more lane')} not shown`));
    this.timeline.replaceChildren(line.drawing, el('ul', { class: 'legend' }, ...legend));
  }

  // at shows the address space at time t.
  at(t) {
    this.time = t;
    const { process } = this;
    const now = this.tenures.findLast((tenure) => tenure.from <= t) || this.tenures[0];
    const mappings = now.space.mappings.filter((list) => there(process, t, list[5], list[6])).map((list) => mapping(list, this.from, this.to));
    const unsure = this.doubts.some(([a, b]) => a <= t && t <= b) ? ', uncertain' : '';
    this.when.textContent = `at ${seconds(t, span)}${t === this.to ? (process.ended < 0 ? ', the end' : ', its end') : ''}${unsure}: ${several(mappings.length, 'mapping')}, ${bytes(mappings.reduce((sum, m) => sum + m.size, 0))}`;
    this.slider.value = this.to > this.from ? Math.round((t - this.from) / (this.to - this.from) * 1000) : 1000;
    const note = el('figcaption', { class: 'quiet' }, mappings.length ? 'From low addresses to high. A box with a broken edge is a gap, not to scale; mappings are, but none is lower than 3 px.' : 'Nothing is mapped.');
    this.picture.replaceChildren(...(mappings.length ? [drawPicture(mappings, this.width), note] : [note]));
    this.table.set(mappings, mappings.length);
    this.setNow(t);
  }
}
Choice.now = null;

for (const name of ['processes', 'files']) {
  byId(`tab-${name}`).addEventListener('click', () => Lists.show(name));
}
roam(document.querySelector('[role=tablist]'), '[role=tab]');
byId('only-clear').addEventListener('click', () => Lists.show('processes'));
byId('filter').addEventListener('input', later(120, () => Lists.filter()));
addEventListener('resize', later(150, () => {
  const { now } = Choice;
  if (!now || Math.max(280, Math.floor(now.timeline.clientWidth)) === now.width) return;
  now.draw();
  now.at(now.time);
}));
Lists.show('processes');
if (processes.length === 1) Lists.table.pick(processes[0]);
