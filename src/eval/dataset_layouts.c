/* dataset_layouts.c - see dataset_layouts.h. Sources: the data sets' own development kits and read-me files. */
#include "eval/dataset_layouts.h"

/* COCO: photos as images.cocodataset.org has them (val2017.zip), or with COCO-Stuff's own folder "images" above;
 * label maps as in stuffthingmaps_trainval2017.zip, or in COCO-Stuff's folder "annotations". */
#define COCO_ROOTS                                                                                                   \
    { "", "coco", "COCO", "coco_stuff164k", "cocostuff" }
#define COCO_PHOTOS                                                                                                  \
    { "images/%s2017", "%s2017" }
#define COCO_LABELS                                                                                                  \
    {                                                                                                                \
        "stuffthingmaps/%s2017", "annotations/%s2017", "stuffthingmaps_trainval2017/%s2017",                         \
            "annotations/stuffthingmaps/%s2017"                                                                      \
    }

static const dataset_layout layouts[] = {
    {.kind = {"voc", "PASCAL VOC 2012", "voc",
              "VOCdevkit/VOC2012: JPEGImages, SegmentationClass, ImageSets/Segmentation/SPLIT.txt"},
     .roots = {"", "VOCdevkit/VOC2012", "VOC2012"},
     .photos = {"JPEGImages"},
     .labels = {"SegmentationClass"},
     .lists = {"ImageSets/Segmentation/%s.txt"},
     .photo_ending = ".jpg",
     .label_ending = ".png",
     .list_needed = true,
     .splits = true},
    {.kind = {"context", "PASCAL Context, 59 classes", "context",
              "VOCdevkit/VOC2010: JPEGImages, SegmentationClassContext (0 background, 1 .. 59), "
              "ImageSets/SegmentationContext/SPLIT.txt"},
     .roots = {"", "VOCdevkit/VOC2010", "VOC2010", "VOCdevkit/VOC2012", "VOC2012"},
     .photos = {"JPEGImages"},
     .labels = {"SegmentationClassContext"},
     .lists = {"ImageSets/SegmentationContext/%s.txt"},
     .photo_ending = ".jpg",
     .label_ending = ".png",
     .list_needed = true,
     .splits = true},
    {.kind =
         {"coco-object", "COCO-Object, 80 things", "coco-object",
          "coco: images/SPLIT2017 or SPLIT2017; stuffthingmaps/SPLIT2017 or annotations/SPLIT2017; all photos, or "
          "SPLIT2017.txt where there is one"},
     .roots = COCO_ROOTS,
     .photos = COCO_PHOTOS,
     .labels = COCO_LABELS,
     .lists = {"%s2017.txt"},
     .photo_ending = ".jpg",
     .label_ending = ".png",
     .splits = true},
    {.kind =
         {"coco-stuff-27", "COCO-Stuff, 27 coarse classes", "coco-stuff-27",
          "as coco-object, with curated/SPLIT2017/Coco164kFull_Stuff_Coarse_7.txt or SPLIT2017.txt or --list-file"},
     .roots = COCO_ROOTS,
     .photos = COCO_PHOTOS,
     .labels = COCO_LABELS,
     .lists = {"curated/%s2017/Coco164kFull_Stuff_Coarse_7.txt", "%s2017.txt"},
     .photo_ending = ".jpg",
     .label_ending = ".png",
     .list_needed = true,
     .splits = true},
    {.kind = {"cityscapes", "Cityscapes, 27 classes", "cityscapes",
              "leftImg8bit/SPLIT/CITY/*_leftImg8bit.png, gtFine/SPLIT/CITY/*_gtFine_labelIds.png"},
     .roots = {"", "cityscapes", "Cityscapes"},
     .photos = {"leftImg8bit/%s"},
     .labels = {"gtFine/%s"},
     .photo_ending = "_leftImg8bit.png",
     .label_ending = "_gtFine_labelIds.png",
     .splits = true},
    {.kind = {"ade20k", "ADE20K, 150 classes", "ade20k",
              "ADEChallengeData2016: images/validation, annotations/validation (or training)"},
     .roots = {"", "ADEChallengeData2016", "ade/ADEChallengeData2016"},
     .photos = {"images/%s"},
     .labels = {"annotations/%s"},
     .photo_ending = ".jpg",
     .label_ending = ".png",
     .splits = true,
     .long_splits = true},
    {.kind = {"generic", "photos and label PNGs of one's own", "generic",
              "a folder of photos (images, or --images) and one of PNGs of the same names (labels, annotations or "
              "masks, or --labels)"},
     .roots = {""},
     .photos = {"images"},
     .labels = {"labels", "annotations", "masks"},
     .label_ending = ".png"},
};

const dataset_layout *dataset_layout_at(size_t index) {
    return index < sizeof layouts / sizeof *layouts ? &layouts[index] : NULL;
}

bool diffcut_dataset_kind_at(size_t index, diffcut_dataset_kind *kind) {
    const dataset_layout *layout = dataset_layout_at(index);
    if (layout == NULL || kind == NULL) {
        return false;
    }
    *kind = layout->kind;
    return true;
}
