# Bash completion for diffcut: commands, each command's options, the words an option takes, files.
# The lists are checked against `diffcut COMMAND --help` by tests/cli/completion.sh.

_diffcut() {
    local cur prev command='' word i
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            segment | label | features | cut | refine | score | model | similarity | coherence | eval | bench | serve)
                command=$word
                if [[ $word == model && $((i + 1)) -lt $COMP_CWORD ]]; then
                    command="model ${COMP_WORDS[i + 1]}"
                elif [[ $word == eval && ${COMP_WORDS[i + 1]} == merge && $((i + 1)) -lt $COMP_CWORD ]]; then
                    command='eval merge'
                fi
                break
                ;;
            *)
                command=segment
                break
                ;;
        esac
    done

    # The argument of the option before.
    case $prev in
        --resample) mapfile -t COMPREPLY < <(compgen -W 'antialias bilinear' -- "$cur") && return ;;
        --noise) mapfile -t COMPREPLY < <(compgen -W 'cpu cuda' -- "$cur") && return ;;
        --format) mapfile -t COMPREPLY < <(compgen -W 'npy safetensors' -- "$cur") && return ;;
        --protocol | -p)
            mapfile -t COMPREPLY < <(compgen -W 'voc context coco-object coco-stuff-27 cityscapes ade20k generic' -- "$cur")
            return
            ;;
        --label-values) mapfile -t COMPREPLY < <(compgen -W 'dataset from-zero from-one detail' -- "$cur") && return ;;
        --eigen) mapfile -t COMPREPLY < <(compgen -W 'auto dense' -- "$cur") && return ;;
        --like) mapfile -t COMPREPLY < <(compgen -d -W 'ssd-1b vega sd1 sd2 sdxl-base' -- "$cur") && return ;;
        --dtype) mapfile -t COMPREPLY < <(compgen -W 'f16 bf16 f32' -- "$cur") && return ;;
        --backend) mapfile -t COMPREPLY < <(compgen -W 'cpu ref' -- "$cur") && return ;;
        --precision) mapfile -t COMPREPLY < <(compgen -W 'auto f32 bf16' -- "$cur") && return ;;
        --outputs)
            mapfile -t COMPREPLY < <(compgen -W 'labels overlay json coco npy features' -- "$cur")
            return
            ;;
        --model | -m | --dump | --config) mapfile -t COMPREPLY < <(compgen -d -- "$cur") && return ;;
        --output | -o)
            if [[ $command == segment || $command == label || $command == coherence || $command == similarity || $command == 'model synth' ]]; then
                mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            fi
            return
            ;;
        --variant) mapfile -t COMPREPLY < <(compgen -W 'fp16 bf16 plain' -- "$cur") && return ;;
        --files-from | --manifest | --image | -i | --port-file | --first-stage | --context | --list-file) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
        --size) mapfile -t COMPREPLY < <(compgen -W 'native' -- "$cur") && return ;;
        --tau | -t | --alpha | --min-tokens | --timestep | --seed | --average | --hook | --prompt | --iterations | --dilations | --median | \
            --refine-size | --tile | --opacity | --threads | -T | --batch | --max-pixels | --synthetic | --repeat | --revision | \
            --file | --timeout | --retries | --at | -a | --range | --classes | --values | --background | --ignore | --label-ending | --replicates | --limit | --shard | --sweep | --cache-size | \
            --out-shards | --shard-size | --shard-count | --host | --port | -p | --token | --allow-host | --max-body | --max-tokens | --queue | --memory | --keep | --seconds | \
            --max-connections | --workers)
            return
            ;;
        --set)
            mapfile -t COMPREPLY < <(compgen -W 'voc context coco-object coco-stuff-27 cityscapes ade20k generic' -- "$cur")
            return
            ;;
        --method)
            mapfile -t COMPREPLY < <(compgen -W 'diffcut autosc tokencut maskcut kmeans colour diffseg maskclip' -- "$cur")
            return
            ;;
        --vocabulary) mapfile -t COMPREPLY < <(compgen -W 'voc context coco ade20k cityscapes' -- "$cur") && return ;;
        --classes-file | --templates) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
        --clip | --clip-tokenizer | --features-model | --models | --names-cache) mapfile -t COMPREPLY < <(compgen -d -- "$cur") && return ;;
        --clip-size | --clip-variant | -c) return ;;
        --split) mapfile -t COMPREPLY < <(compgen -W 'val train' -- "$cur") && return ;;
        --data | -d | --images | --labels | --cache | --save-predictions)
            mapfile -t COMPREPLY < <(compgen -d -- "$cur") && return
            ;;
        -n) [[ $command != model* ]] && return ;;
    esac

    if [[ $command == model && ${COMP_WORDS[COMP_CWORD - 1]} == model ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'info pull verify context synth' -- "$cur")
        return
    fi

    if [[ $command == eval && ${COMP_WORDS[COMP_CWORD - 1]} == eval && $cur != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'merge' -- "$cur")
        return
    fi

    if [[ $cur == -* ]]; then
        local says='--quiet --verbose --help'
        local input='--size --square --resample --tile --max-pixels'
        local opening='--variant --config --first-stage --context --tokenizer --backend --precision'
        local features='--timestep --noise --seed --average --hook --prompt'
        local cut='--tau --alpha --min-tokens --reference --eigen'
        local refinement='--iterations --dilations --median --refine-size'
        local clip='--clip --clip-variant --clip-tokenizer --clip-size --clip-raw --templates --names-cache --no-names-cache'
        local data='--set --data --list --split --list-file --limit --shard --images --labels --classes --ignore
            --background --label-values'
        local options
        case $command in
            segment)
                options="--files-from --null --in-shards --resume --manifest --retry-failed --checksum --shard
                    --out-shards --shard-size --shard-count --output --outputs --coco --npy --features-npy --opacity --no-boundaries
                    --full-names --force --dump --json $input $features $cut --refine --no-refine $refinement
                    --model $opening --threads --batch $says"
                ;;
            label)
                options="--classes --classes-file --vocabulary --background $clip --files-from --null --in-shards --output --outputs
                    --coco --npy --features-npy --opacity --no-boundaries --full-names --force --dump --json $input
                    $features $cut --refine --no-refine $refinement --model $opening --threads --batch $says"
                ;;
            coherence)
                options="$data --max-pixels --models --size $opening --threads --output --force --json --cache --cache-size
                    --no-cache $says"
                ;;
            features) options="--output --format --force $input $features --model $opening --threads $says" ;;
            cut) options="--output --image --force --max-pixels $cut --threads $says" ;;
            refine) options="--output --force --max-pixels $refinement --threads $says" ;;
            score)
                options="--protocol --label-values --classes --values --background --ignore --reference --label-ending
                    --full-resolution --boundary --replicates --json $says"
                ;;
            'model info') options="--json --hooks $opening $says" ;;
            'model pull') options="--revision --variant --file --dry-run --json --timeout --retries $says" ;;
            'model verify') options="--json --values $opening $says" ;;
            'model context') options="--output --force --prompt $opening --threads $says" ;;
            'model synth') options="--like --output --seed --dtype --dry-run --force $says" ;;
            similarity)
                options="--at --output --npy --range --opacity --no-legend --force $input $features --model $opening
                    --threads $says"
                ;;
            eval)
                options="$data --max-pixels --method --sweep --size $cut --refine --no-refine --open-vocabulary $clip
                    --features-model --full-resolution --boundary --coherence --replicates --output --force --save-predictions --json
                    --cache --cache-size --no-cache $features --model $opening --threads $says"
                ;;
            'eval merge') options="--output --force --coherence --json $says" ;;
            bench)
                options="--synthetic --repeat --operations --json $input $features $cut --refine --no-refine $refinement --model
                    $opening --threads $says"
                ;;
            serve)
                options="--host --port --port-file --token --allow-host --max-body --max-pixels --max-tokens --queue --memory
                    --keep --timeout --seconds --max-connections $clip --model $opening --threads --workers $says"
                ;;
            *) options='--help --version' ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi

    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    if [[ -z $command ]]; then
        local commands
        mapfile -t commands < <(compgen -W 'segment label features cut refine score model similarity coherence eval bench serve' -- "$cur")
        COMPREPLY+=("${commands[@]}")
    fi
}

complete -o filenames -F _diffcut diffcut
