// drawPicture draws an address space: mappings, in ascending order of addresses, to scale from
// top to bottom, and a gap that would be higher than its break as a break with its size in it.
function drawPicture(mappings, width) {
  const least = 3; // px of a mapping, lest it is not seen
  const gapHeight = 18;
  const apart = 15; // px from label to label
  const column = width < 480 ? 86 : 120;
  const labels = column + 26;
  const total = mappings.reduce((sum, m) => sum + m.size, 0);
  const scale = Math.max(220, Math.min(1800, 14 * mappings.length)) / Math.max(total, 1);
  const drawing = svg('svg', { class: 'picture', role: 'group', 'aria-label': `${mappings.length} mappings in ascending order of addresses` });
  const texts = [];
  let y = 1;
  let free = 0; // y behind the last label
  mappings.forEach((m, i) => {
    const before = mappings[i - 1];
    if (before) {
      const gap = Number(m.start - before.end);
      const broken = gap * scale > gapHeight;
      const height = broken ? gapHeight : gap * scale;
      if (broken) {
        drawing.append(svg('rect', { class: 'gap', x: 6.5, y: y + 0.5, width: column - 13, height: height - 1 }));
        texts.push(svg('text', { class: 'quiet', x: column / 2, y: y + 13, 'text-anchor': 'middle' }, bytes(gap)));
      } else if (gap > 0) {
        drawing.append(svg('rect', { class: 'space', x: 0.5, y, width: column - 1, height }));
      }
      y += height;
    }
    const height = Math.max(least, m.size * scale);
    const box = { x: 0.5, y, width: column - 1, height };
    const shape = paint(svg('rect', { class: 'mapping', ...box, role: 'img', tabindex: i === 0 ? 0 : -1, 'aria-label': m.tell() }), m.file.path);
    shape.tell = () => m.tell();
    drawing.append(shape);
    if (m.file.deleted) drawing.append(svg('rect', { class: 'hatch', ...box }));
    // Where there are very many, neighbours of one file have one label.
    if (mappings.length < 400 || !before || before.file !== m.file) {
      const middle = y + height / 2;
      const at = Math.max(middle, free + apart / 2);
      free = at + apart / 2;
      drawing.append(svg('path', { class: 'leader', d: `M${column} ${middle}L${column + 20} ${at}` }));
      const wide = width > 520;
      const address = wide ? m.start.toString(16).padStart(12, '0') : '';
      const size = bytes(m.size);
      const name = fit(base(m.file.path) + (m.file.deleted ? ' (deleted)' : ''), width - labels - 7 * (address.length + size.length + 3));
      const label = svg('text', { x: labels, y: at + 4 });
      if (wide) label.append(svg('tspan', { class: 'mono' }, address), '  ');
      label.append(name, ' ', svg('tspan', { class: 'size' }, size));
      texts.push(label);
    }
    y += height;
  });
  drawing.append(...texts);
  const height = Math.ceil(Math.max(y, free)) + 2;
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) drawing.setAttribute(name, value);
  roam(drawing, '.mapping');
  Tip.watch(drawing);
  return drawing;
}
