"""cases_normalization.py: what record.py asks PyTorch of layers that subtract a mean and divide by a spread."""
import torch.nn.functional as F

from record import C, Family, FLOATS, V


def normalization():
    f = Family("normalization")
    for x in [(4, 3), (2, 3, 4), (2, 3, 2, 2), (1, 2, 3, 1, 2)]:
        c = x[1]
        f.case("batch_norm", f.t(*x), None, None, None, None, True, torch_f=F.batch_norm)
        f.case("batch_norm", f.t(*x), None, None, f.t(c), f.t(c), True, 0.1, 0.25, torch_f=F.batch_norm)
        f.case("batch_norm", f.t(*x), C([0.25] * c), C([1.5] * c), f.t(c), f.t(c), torch_f=F.batch_norm)
        if len(x) > 2:
            f.case("instance_norm", f.t(*x), None, None, None, None, True, 0.1, 0.25, torch_f=F.instance_norm)
            f.case("instance_norm", f.t(*x), None, None, f.t(c), f.t(c), torch_f=F.instance_norm)
            f.case("instance_norm", f.t(*x), C([0.25] * c), C([1.5] * c), f.t(c), f.t(c), False,
                   torch_f=F.instance_norm)
            for size in [1, 2, 3, 5]:
                f.case("local_response_norm", f.t(*x), size, torch_f=F.local_response_norm)
                f.case("local_response_norm", f.t(*x), size, 0.5, 0.75, 2.0, torch_f=F.local_response_norm)
            f.case("group_norm", f.t(*x), 1, f.t(c), f.t(c), 0.25, torch_f=F.group_norm)
            f.case("group_norm", f.t(*x), c, f.t(c), None, torch_f=F.group_norm)
    f.case("batch_norm", f.t(0, 3, 2), None, None, f.t(3), f.t(3), True, torch_f=F.batch_norm)
    f.case("batch_norm", V([1.0, float("nan"), 2.0, 3.0, float("inf"), 1.0], [3, 2]), None, None, None, None, True,
           torch_f=F.batch_norm)
    f.case("batch_norm", V([2.0] * 6, [3, 2]), None, None, None, None, True, torch_f=F.batch_norm)
    f.case("batch_norm", f.t(5, 17), None, None, f.t(17), f.t(17), True, torch_f=F.batch_norm)
    f.case("instance_norm", V([2.0] * 6, [1, 2, 3]), torch_f=F.instance_norm)
    f.case("local_response_norm", V([0.0, 1.0, -2.0, 3.0], [1, 4, 1]), 3, 1.0, 0.5, torch_f=F.local_response_norm)
    f.case("layer_norm", f.t(3, 40), [40], f.t(40), f.t(40), torch_f=F.layer_norm)
    f.case("layer_norm", f.t(2, 1), [1], torch_f=F.layer_norm)
    f.case("layer_norm", f.t(0, 3), [3], f.t(3), f.t(3), torch_f=F.layer_norm)
    f.case("layer_norm", f.t(2, 3), [3], None, f.t(3), torch_f=F.layer_norm)
    f.case("rms_norm", f.t(3, 40), [40], f.t(40), 0.25, torch_f=F.rms_norm)
    for d in FLOATS:
        f.case("batch_norm", f.t(6, 3, 2, d=d), None, None, None, None, True, torch_f=F.batch_norm)
        f.case("instance_norm", f.t(2, 3, 4, d=d), None, None, f.t(3, d=d), f.t(3, d=d), torch_f=F.instance_norm)
        f.case("local_response_norm", f.t(2, 3, 4, d=d), 2, torch_f=F.local_response_norm)
        f.case("group_norm", f.t(2, 4, 3, d=d), 2, f.t(4, d=d), f.t(4, d=d), torch_f=F.group_norm)
        f.case("layer_norm", f.t(2, 3, 4, d=d), [3, 4], f.t(3, 4, d=d), f.t(3, 4, d=d), torch_f=F.layer_norm)
    f.write("normalizations")


FAMILIES = [normalization]
