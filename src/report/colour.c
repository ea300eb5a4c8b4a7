/* SPDX-License-Identifier: Apache-2.0 */
/* A colour is (L, C, h) in the polar form of OKLab; a map moves L linearly, raises C from the neutral end and keeps the hue
 * of each arm. OKLab -> linear sRGB by the published matrices, then the sRGB transfer curve. */
#include "report/colour.h"

#include <math.h>

static int channel(double linear)
{
    double c = fmin(fmax(linear, 0.0), 1.0);
    double encoded = c <= 0.0031308 ? 12.92 * c : 1.055 * pow(c, 1.0 / 2.4) - 0.055;
    return (int)(255.0 * encoded + 0.5);
}

static void hex(char *out, int value)
{
    static const char digit[] = "0123456789abcdef";
    out[0] = digit[value >> 4 & 15];
    out[1] = digit[value & 15];
}

static const char *from_polar(char out[8], double lightness, double chroma, double degrees)
{
    const double pi = 3.14159265358979323846;
    double a = chroma * cos(degrees * pi / 180), b = chroma * sin(degrees * pi / 180);
    double l = lightness + 0.3963377774 * a + 0.2158037573 * b;
    double m = lightness - 0.1055613458 * a - 0.0638541728 * b;
    double s = lightness - 0.0894841775 * a - 1.2914855480 * b;
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    out[0] = '#';
    hex(out + 1, channel(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s));
    hex(out + 3, channel(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s));
    hex(out + 5, channel(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s));
    out[7] = '\0';
    return out;
}

const char *w_colour(char out[8], w_colour_map map, double position)
{
    if (map == W_MAP_DIVERGING) {
        double t = fmin(fmax(position, -1.0), 1.0), size = fabs(t);
        return from_polar(out, 0.97 - 0.47 * size, 0.145 * pow(size, 0.85), t < 0 ? 255.0 : 35.0);
    }
    double t = fmin(fmax(position, 0.0), 1.0);
    if (map == W_MAP_LEVELS) {
        return from_polar(out, 0.62 - 0.10 * sin(t * 21.0), 0.14, 25.0 + 330.0 * t);
    }
    return from_polar(out, 0.97 - 0.60 * t, 0.02 + 0.10 * sin(t * 2.2), 200.0 + 75.0 * t);
}
