"""Scripts that say what of a page cannot be seen or read: too wide, too pale, cut off."""

LEAST_CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3, level AA

TOO_WIDE = """
    const wide = document.documentElement.scrollWidth;
    return [...document.querySelectorAll('main *')]
        .filter(one => !one.closest('.wide, pre, svg') && one.getBoundingClientRect().right > WIDTH + 0.5)
        .map(one => one.outerHTML.slice(0, 80)).concat(wide > WIDTH ? ['page ' + wide] : []);
"""
# Relative luminance and contrast ratio as WCAG 2.2 defines them; behind a text lies the nearest background that is opaque.
PALE = """
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = colour => {
        const [r, g, b] = numbers(colour).slice(0, 3).map(v => v / 255).map(
            v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = one => {
        for (let at = one; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor, [, , , alpha] = numbers(colour);
            if (alpha === undefined || alpha > 0) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    const found = [];
    let texts = 0;
    for (const one of document.body.querySelectorAll('*')) {
        const said = [...one.childNodes].filter(node => node.nodeType === 3 && node.data.trim()).map(node => node.data.trim());
        if (!said.length || !one.getClientRects().length) continue;
        texts += 1;
        const style = getComputedStyle(one), colour = one.closest('svg') ? style.fill : style.color;
        const [one_, two] = [light(colour), light(ground(one))].sort((a, b) => b - a);
        const ratio = (one_ + 0.05) / (two + 0.05);
        if (ratio < LEAST) found.push(ratio.toFixed(2) + ' ' + colour + ' ' + said[0].slice(0, 40));
    }
    return texts < 50 ? ['only ' + texts + ' texts'] : [...new Set(found)];
"""
BAD_FIGURES = """
    const found = [];
    for (const figure of document.querySelectorAll('figure:not([hidden])')) {
        const svg = figure.querySelector('svg'), box = svg && svg.getBoundingClientRect();
        if (!box || box.width < 200 || box.height < 60 || !svg.querySelector('path, use')) {
            found.push('empty ' + figure.textContent.slice(0, 60));
            continue;
        }
        for (const text of svg.querySelectorAll('text')) {
            const at = text.getBoundingClientRect();
            if (at.left < box.left - 1 || at.right > box.right + 1 || at.top < box.top - 1 || at.bottom > box.bottom + 1)
                found.push('cut off ' + text.textContent.trim());
            if (text.textContent.trim() && at.height < 7.5)
                found.push('tiny ' + at.height.toFixed(1) + ' ' + text.textContent.trim());
        }
    }
    return document.querySelector('figure') ? found : ['no figure'];
"""
