// The marks on a time line, as paths around 0, 0.
const marks = {
  fork: 'M0-5A5 5 0 1 1-.01-5Z',
  exec: 'M0-6L6 5H-6Z',
  exit: 'M-5-5H5V5H-5Z',
  walk: 'M0-6L5 0L0 6L-5 0Z',
};

// ticks returns at most so many round numbers from a to b.
function ticks(a, b, most) {
  const rough = Math.max(1, (b - a) / most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const out = [];
  for (let t = Math.ceil(a / step) * step; t <= b; t += step) out.push(t);
  return out;
}

// lanesOf gathers what was mapped in lanes: one for each mapping or, where that would be too many,
// for each file.
function lanesOf(mappings) {
  const byFile = new Set(mappings.map((m) => `${m.file.index} ${m.start}`)).size > 40;
  const lanes = new Map();
  for (const m of mappings) {
    const key = byFile ? m.file.index : `${m.file.index} ${m.start}`;
    if (!lanes.has(key)) lanes.set(key, []);
    lanes.get(key).push(m);
  }
  return { byFile, lanes: Array.from(lanes.values()) };
}

// drawTimeline draws what happened to a process from one time to another: mappings, with from and
// to, doubts and marks. pick is called with the time that is clicked on.
function drawTimeline({ from, to, mappings, doubts, marks: list, cuts }, width, pick) {
  const most = 250; // lanes
  const top = 26;
  const lane = 15;
  const left = width < 520 ? 92 : 190;
  const right = width - 8;
  const span = Math.max(to - from, 1);
  const x = (t) => left + ((Math.min(Math.max(t, from), to) - from) / span) * (right - left);
  const { byFile, lanes } = lanesOf(mappings);
  const shown = lanes.slice(0, most);
  const bottom = top + shown.length * lane + 2;
  const height = bottom + 20;
  const drawing = svg('svg', { class: 'timeline', width, height, viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': 'Time line' });

  for (const t of ticks(from, from + span, Math.max(2, Math.floor((right - left) / 110)))) {
    drawing.append(svg('path', { class: 'axis', d: `M${x(t)} ${top - 4}V${bottom + 4}` }));
    const anchor = x(t) > right - 24 ? 'end' : x(t) < left + 24 ? 'start' : 'middle';
    drawing.append(svg('text', { class: 'quiet', x: x(t), y: bottom + 15, 'text-anchor': anchor }, seconds(t, span)));
  }
  shown.forEach((presences, i) => {
    const y = top + i * lane;
    drawing.append(svg('rect', { class: 'lane', x: left, y: y + 1, width: right - left, height: lane - 2 }));
    const { file } = presences[0];
    const label = svg('text', { x: 0, y: y + 11 }, fit(base(file.path), left - 8));
    label.tell = () => file.path;
    drawing.append(label);
    const drawn = new Set();
    for (const m of presences) {
      const at = x(m.from);
      const wide = Math.max(2, x(m.to) - at);
      const place = `${Math.round(at)} ${Math.round(wide)}`;
      if (drawn.has(place)) continue; // on top of another that looks the same
      drawn.add(place);
      const box = { x: Math.min(at, right - 2), y: y + 2, width: wide, height: lane - 4 };
      const shape = paint(svg('rect', { class: 'presence', ...box }), file.path);
      shape.tell = () => m.tell();
      drawing.append(shape);
      if (file.deleted) drawing.append(svg('rect', { class: 'hatch', ...box }));
    }
  });
  for (const [a, b] of doubts) {
    drawing.append(svg('rect', { class: 'doubt', x: x(a), y: top - 6, width: Math.max(3, x(b) - x(a)), height: bottom - top + 6, opacity: 0.55 }));
  }
  for (const t of cuts) drawing.append(svg('path', { class: 'cut', d: `M${x(t)} ${top - 6}V${bottom}` }));

  drawing.append(svg('text', { x: 0, y: 15 }, 'events'), svg('path', { class: 'life', d: `M${left} 11H${right}` }));
  const drawn = new Map(); // of each kind, at each px
  for (const mark of list) {
    const place = `${mark.kind} ${Math.round(x(mark.time) / 2)}`;
    const before = drawn.get(place);
    if (before) {
      before.push(mark);
      continue;
    }
    const here = [mark];
    drawn.set(place, here);
    const shape = svg('path', { class: `mark ${mark.kind}`, d: marks[mark.kind], transform: `translate(${x(mark.time)} 11)`, role: 'img', tabindex: drawn.size === 1 ? 0 : -1 });
    shape.tell = () => here.slice(0, 8).map((m) => `${seconds(m.time, span)}  ${m.text}`).join('\n') + (here.length > 8 ? `\n… and ${here.length - 8} more` : '');
    shape.setAttribute('aria-label', `${seconds(mark.time, span)} ${mark.text}`);
    drawing.append(shape);
  }
  const now = svg('path', { class: 'now' });
  drawing.append(now);

  drawing.addEventListener('click', (e) => {
    const at = e.clientX - drawing.getBoundingClientRect().left;
    if (at >= left) pick(from + (Math.min(at, right) - left) / (right - left) * span);
  });
  roam(drawing, '.mark');
  Tip.watch(drawing);
  return { drawing, byFile, left: lanes.length - shown.length, setNow: (t) => now.setAttribute('d', `M${x(t)} 0V${bottom + 4}`) };
}
